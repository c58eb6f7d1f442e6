"""The enhancers' networks with their front ends, one file for each family. Imports torch."""
