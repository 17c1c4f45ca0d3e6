"""Pictures as PNG: light ground, colours that colour-blind people tell apart, never colour alone."""
