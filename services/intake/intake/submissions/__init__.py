"""What is submitted: admitted, and by the one path of every lead made a lead."""
