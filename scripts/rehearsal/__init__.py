"""The rehearsal of a rebuild: the database is dropped, made anew from the raw lake, and compared row by row."""
