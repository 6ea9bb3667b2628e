"""LiPCoT's own estimators: tokenizer, pretrainer, classifier."""
