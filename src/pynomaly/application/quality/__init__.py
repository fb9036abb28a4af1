"""How good detection is: published scores of labelled data, computed as they are defined."""
