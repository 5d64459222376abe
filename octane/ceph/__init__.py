"""What Ceph's commands say, of any release from Firefly to Pacific, in one shape; and what follows from it.

Nothing here asks a cluster or reads a file: functions take texts or parsed JSON and return data.
"""
