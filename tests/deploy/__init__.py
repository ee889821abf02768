"""The files under deploy/, read as those read them who will run them."""
