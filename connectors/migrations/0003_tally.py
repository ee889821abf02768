from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('connectors', '0002_limits'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeadLetter',
            fields=[
            ],
            options={
                'ordering': ('-created_at',),
                'proxy': True,
                'default_permissions': (),
                'indexes': [],
                'constraints': [],
            },
            bases=('connectors.delivery',),
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=20)),
                ('labels', models.CharField(max_length=200)),
                ('step', models.PositiveSmallIntegerField(null=True)),
                ('amount', models.BigIntegerField()),
                ('seconds', models.FloatField(default=0.0)),
                ('connector_id', models.BigIntegerField(null=True)),
                ('hour', models.DateTimeField(null=True)),
                ('fresh', models.BooleanField(default=True)),
            ],
            options={
                'verbose_name_plural': 'tallies',
                'default_permissions': (),
                'indexes': [models.Index(fields=['connector_id', 'hour'], name='tally_of_connector'), models.Index(condition=models.Q(('fresh', True)), fields=['id'], name='tally_fresh'), models.Index(condition=models.Q(('hour', None)), fields=['name'], name='tally_total')],
            },
        ),
    ]
