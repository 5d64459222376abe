"""Much data for the lab's cloud, and ways of moving databases measured side by side."""
