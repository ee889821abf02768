import connectors.ids
from django.db import migrations, models


def free_what_is_leased(apps, schema_editor):
    """Ends the leases that stand in deliveries' rows: the senders that held them are gone.

    What they held is due again, and their attempts, of which nobody knows how they ended, say so.
    """
    deliveries = apps.get_model("connectors", "Delivery").objects.filter(
        status="sending", lease_token__isnull=False
    )
    attempts = apps.get_model("connectors", "Attempt").objects.filter(outcome="open")
    attempts.update(
        outcome="unknown",
        reason="unknown",
        finished_at=models.F("started_at"),
        error="The sender ended before it could record how this ended. It may have been sent.",
    )
    deliveries.update(status="retrying", reason="unknown")


def as_it_was(apps, schema_editor):
    """What is leased is sent again when the lease has run out, as ever."""


def leave_none(apps, schema_editor):
    """An attempt is written once, and grows no more."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE connectors_attempt RESET (fillfactor)")


def leave_room(apps, schema_editor):
    """As it was."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE connectors_attempt SET (fillfactor = 15)")


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0006_faster_writes'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('token', models.UUIDField(default=connectors.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('connector_id', models.BigIntegerField(db_index=True)),
                ('began_at', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('deliveries', models.JSONField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.RunPython(free_what_is_leased, as_it_was),
        migrations.RemoveField(
            model_name='delivery',
            name='lease_token',
        ),
        migrations.RemoveField(
            model_name='delivery',
            name='lease_until',
        ),
        migrations.AlterField(
            model_name='attempt',
            name='outcome',
            field=models.CharField(choices=[('delivered', 'Delivered'), ('accepted', 'Accepted'), ('failed', 'Failed'), ('unknown', 'Unknown')], max_length=10),
        ),
        migrations.RunPython(leave_none, leave_room),
    ]
