from servers_by_hand import server

__all__ = ["server"]
