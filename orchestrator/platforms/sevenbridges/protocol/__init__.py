"""What several kinds of work share: lists, bulk answers, polls by id, the marks on what we make."""
