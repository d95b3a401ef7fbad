"""What comes back: replies, automatic answers, delivery reports and complaints."""
