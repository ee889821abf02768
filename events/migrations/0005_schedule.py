from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0004_handling'),
    ]

    operations = [
        migrations.AddField(
            model_name='subscription',
            name='schedule',
            field=models.JSONField(blank=True, default=dict, help_text='The hours in which the connector is told; empty for always.'),
        ),
        migrations.AddField(
            model_name='subscription',
            name='begun_at',
            field=models.DateTimeField(editable=False, help_text='When it was last told what was still open as its hours began; empty without hours.', null=True),
        ),
    ]
