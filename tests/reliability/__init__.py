"""What is promised of deliveries, shown by doing it to real processes."""
