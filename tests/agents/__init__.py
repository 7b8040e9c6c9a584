"""The agents as their lanes drive them: records in, what becomes of them out. Only what is outside is made up."""
