"""The HTTP door: the verbs of the engine for programs. It knows no other door and runs no tool."""
