"""Fine-tuning: recipes, the loop, and run directories that explain and rebuild themselves."""
