"""What other systems sent, were about to send, or were told never to send is taken over."""
