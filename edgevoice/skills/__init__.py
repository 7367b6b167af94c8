"""What can be exact is exact: questions with one right answer, answered without a model (``router.Router``)."""
