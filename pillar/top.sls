# The procedure works without pillar. A site puts its own files into its own pillar roots; see pillar.example.
base: {}
