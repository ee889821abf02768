import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('events', '0006_history'),
    ]

    operations = [
        migrations.AlterField(
            model_name='event',
            name='cluster',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='events', to='events.cluster'),
        ),
        migrations.AlterField(
            model_name='event',
            name='inhibited_by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='inhibited', to='events.event'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('inhibited_by__isnull', False)), fields=['inhibited_by'], name='event_inhibited'),
        ),
    ]
