"""A right of its own for testing and resuming connectors; who changed what in their configuration."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("connectors", "0003_tally")]

    operations = [
        migrations.AlterModelOptions(
            name="connector",
            options={"ordering": ("name",), "permissions": (("test_connector", "Can test and resume connectors"),)},
        ),
    ]
