"""The messages LeadLoop's services speak: their classes, their words and their topology. Nothing else is shared."""
