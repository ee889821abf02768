"""Who changed what in clusters, subscriptions and silences."""

import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0004_history'),
        ('events', '0005_schedule'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalCluster',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('who', models.CharField(blank=True, max_length=150)),
                ('source', models.CharField(choices=[('console', 'console'), ('api', 'API'), ('command', 'command line')], max_length=10)),
                ('token', models.CharField(blank=True, max_length=100)),
                ('object_name', models.CharField(blank=True, max_length=400)),
                ('changes', models.JSONField(default=list, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('name', models.CharField(db_index=True, max_length=120)),
                ('enabled', models.BooleanField(default=True)),
                ('access', models.CharField(choices=[('in_cluster', 'In-cluster service account'), ('context', "Context of the server's kubeconfig"), ('kubeconfig', 'Stored kubeconfig')], default='context', max_length=12)),
                ('context', models.CharField(blank=True, help_text='A context of the kubeconfig; empty for its current one.', max_length=253)),
                ('namespaces', models.JSONField(blank=True, default=list, help_text='Namespaces to watch; empty for all, and for nodes.')),
                ('history_change_reason', models.TextField(blank=True, default='')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical cluster',
                'verbose_name_plural': 'historical clusters',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalSilence',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('who', models.CharField(blank=True, max_length=150)),
                ('source', models.CharField(choices=[('console', 'console'), ('api', 'API'), ('command', 'command line')], max_length=10)),
                ('token', models.CharField(blank=True, max_length=100)),
                ('object_name', models.CharField(blank=True, max_length=400)),
                ('changes', models.JSONField(default=list, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('event_types', models.JSONField(blank=True, default=list, help_text='Event types or aliases.')),
                ('clusters', models.JSONField(blank=True, default=list, help_text='Names or patterns of clusters.')),
                ('namespaces', models.JSONField(blank=True, default=list, help_text='Names or patterns such as “prod-*”.')),
                ('resources', models.JSONField(blank=True, default=list, help_text='Kind/name, of what it happens to or of its owner; or patterns.')),
                ('starts_at', models.DateTimeField(default=django.utils.timezone.now, verbose_name='from')),
                ('ends_at', models.DateTimeField(verbose_name='to')),
                ('reason', models.CharField(help_text='Why nobody needs to hear of it.', max_length=500)),
                ('history_change_reason', models.TextField(blank=True, default='')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical silence',
                'verbose_name_plural': 'historical silences',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalSubscription',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('who', models.CharField(blank=True, max_length=150)),
                ('source', models.CharField(choices=[('console', 'console'), ('api', 'API'), ('command', 'command line')], max_length=10)),
                ('token', models.CharField(blank=True, max_length=100)),
                ('object_name', models.CharField(blank=True, max_length=400)),
                ('changes', models.JSONField(default=list, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('enabled', models.BooleanField(default=True)),
                ('event_types', models.JSONField(blank=True, default=list, help_text='Event types or aliases; empty or “all” for every type.')),
                ('min_severity', models.CharField(choices=[('critical', 'critical'), ('high', 'high'), ('medium', 'medium'), ('low', 'low'), ('info', 'info')], default='info', max_length=10, verbose_name='minimum severity')),
                ('namespaces', models.JSONField(blank=True, default=list, help_text='Names or patterns such as “prod-*”.')),
                ('clusters', models.JSONField(blank=True, default=list, help_text='Names or patterns of clusters.')),
                ('conditions', models.JSONField(blank=True, default=dict)),
                ('schedule', models.JSONField(blank=True, default=dict, help_text='The hours in which the connector is told; empty for always.')),
                ('send_resolved', models.BooleanField(default=True, help_text='Tell when it is over, too.')),
                ('history_change_reason', models.TextField(blank=True, default='')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('connector', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='connectors.connector')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical subscription',
                'verbose_name_plural': 'historical subscriptions',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
