"""What every row is: one piece of work, ours and a peer's."""


class Row:
    name = ""
    unit = ""
    better = "more"  # or "less"
    peer_name = None  # what the peer is; None: there is none yet, `note` says why
    note = ""

    def __init__(self, build, folder):
        self.build = build
        self.folder = folder / self.name
        self.details = {}

    def target(self, peer):
        """The figure to reach, or None."""
        return None

    def prepare(self):
        """Once, before the first round."""

    def ours(self):
        """One round: a figure in `unit`."""
        raise NotImplementedError

    def peer(self):
        """The same work by the peer."""
        raise NotImplementedError

    def close(self, keep):
        """Afterwards, also after a failure."""
