"""The demonstration: two hotels, three months at speed, and the proof that nothing was lost or doubled."""
