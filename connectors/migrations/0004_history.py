"""A right of its own for testing and resuming connectors, and who changed what in their configuration."""

import django.core.serializers.json
import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import connectors.registry


class Migration(migrations.Migration):

    dependencies = [
        ("connectors", "0003_tally"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="connector",
            options={"ordering": ("name",), "permissions": (("test_connector", "Can test and resume connectors"),)},
        ),
        migrations.CreateModel(
            name='HistoricalConnector',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('who', models.CharField(blank=True, max_length=150)),
                ('source', models.CharField(choices=[('console', 'console'), ('api', 'API'), ('command', 'command line')], max_length=10)),
                ('token', models.CharField(blank=True, max_length=100)),
                ('object_name', models.CharField(blank=True, max_length=400)),
                ('changes', models.JSONField(default=list, encoder=django.core.serializers.json.DjangoJSONEncoder)),
                ('name', models.CharField(db_index=True, max_length=120)),
                ('provider', models.CharField(choices=connectors.registry.choices, max_length=40, verbose_name='type')),
                ('enabled', models.BooleanField(default=False, help_text='Receives events while this is on. Test the connector first.')),
                ('options', models.JSONField(blank=True, default=dict)),
                ('deliver_brief', models.BooleanField(default=False, help_text='Also send what was over before it could be sent first; otherwise such a pair is dropped.', verbose_name='deliver what is already over')),
                ('rate_per_second', models.FloatField(blank=True, help_text='Empty for what the service allows.', null=True, validators=[django.core.validators.MinValueValidator(0.001), django.core.validators.MaxValueValidator(10000)], verbose_name='messages a second at most')),
                ('digest_after', models.PositiveIntegerField(default=20, help_text='When more messages than this wait, they are sent as one that lists them; 0 for never. Critical ones are counted apart from the others.', validators=[django.core.validators.MaxValueValidator(100000)], verbose_name='digest beyond')),
                ('history_change_reason', models.TextField(blank=True, default='')),
                ('history_id', models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical connector',
                'verbose_name_plural': 'historical connectors',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
