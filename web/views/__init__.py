"""What templates show: plain values, already decided."""
