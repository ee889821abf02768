"""API tokens, hashed; those of Django REST framework's table are hashed, too, and go on working."""

import hashlib

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def take_over(apps, schema_editor):
    """A hash cannot be shown again, but whoever has the token can go on using it."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if "authtoken_token" not in connection.introspection.table_names(cursor):
            return
        cursor.execute("SELECT key, created, user_id FROM authtoken_token")
        rows = cursor.fetchall()
    ApiToken = apps.get_model("kubegraf", "ApiToken")
    for key, _, user_id in rows:
        ApiToken.objects.create(
            user_id=user_id,
            name="from before tokens had names",
            scope="write",
            digest=hashlib.sha256(key.encode()).hexdigest(),
            shown=key[:4],
        )
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE authtoken_token")
        cursor.execute("DELETE FROM django_migrations WHERE app = 'authtoken'")
    apps.get_model("auth", "Permission").objects.filter(content_type__app_label="authtoken").delete()
    apps.get_model("contenttypes", "ContentType").objects.filter(app_label="authtoken").delete()


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="What it is for: “CI”, “Grafana”.", max_length=100)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("read", "read: look at everything its owner may see"),
                            ("write", "write: everything its owner may do"),
                            ("ingest", "ingest: report events, and nothing else"),
                        ],
                        default="write",
                        max_length=10,
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, unique=True)),
                ("shown", models.CharField(editable=False, max_length=12, verbose_name="begins with")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="made")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="expires")),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="revoked")),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True, verbose_name="last used")),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
            ],
            options={"verbose_name": "API token", "ordering": ("-created_at", "-pk")},
        ),
        migrations.RunPython(take_over, migrations.RunPython.noop, elidable=True),
    ]
