#!/bin/bash
# backup.sh - backs folders up to a fresh cartridge with tar, verifies it, and keeps the last few.
#
#   backup.sh [-m MOUNTPOINT] [-p POOL] [-k KEEP] FOLDER...
#
# Each run allocates a cartridge POOL/YYYY-MM-DD-hhmmss (pool Backup, made if it is missing), writes
# one tar a folder with its checksums beside it, waits until all is on the tape, reads it back from
# there, and only then gives the oldest cartridges beyond KEEP (default 7) back. A failed run keeps
# the older ones, and leaves its own cartridge to be looked at.
set -euo pipefail

mountpoint=${RSM_MOUNT:-}
pool=Backup
keep=7

usage()
{
	sed -n '4,5s/^# *//p' "$0" >&2
	exit 2
}

while getopts m:p:k: option; do
	case $option in
	m) mountpoint=$OPTARG ;;
	p) pool=$OPTARG ;;
	k) keep=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
[[ $keep =~ ^[1-9][0-9]*$ ]] || usage
[ -n "$mountpoint" ] || mountpoint=$(findmnt -n -o TARGET -t fuse.rsmfs | head -n 1)
[ -n "$mountpoint" ] || {
	echo "backup: no rsmfs is mounted" >&2
	exit 1
}
export RSM_MOUNT=$mountpoint

[ -d "$mountpoint/$pool" ] || mkdir "$mountpoint/$pool"
name=$(date +%Y-%m-%d-%H%M%S)
tape=$mountpoint/$pool/$name

# mkdir is the allocation: it takes a cartridge from the pool or from Free, or fails with ENOSPC
mkdir "$tape"
echo "backup: writing $pool/$name"

for folder in "$@"; do
	folder=$(realpath "$folder")
	base=$(basename "$folder")
	[ "$base" != / ] || base=root
	archive=$tape/$base.tar
	[ ! -e "$archive" ] || {
		echo "backup: two of the folders are called $base" >&2
		exit 1
	}
	# one pass over the data: the sum is of what tar made, not of what came to the tape
	sum=$(tar -C "$(dirname "$folder")" --one-file-system -cf - "$(basename "$folder")" |
		tee "$archive" | sha256sum | cut -d' ' -f1)
	echo "$sum  $base.tar" >>"$tape/SHA256SUMS"
done

# behind this every byte is on the medium, and an index there tells of it
rsm sync "$pool/$name"
rsm dismount "$pool/$name"

# the kernel may still hold some of it: drop that, so that it is the tape which is read
sync
if [ "$(id -u)" = 0 ]; then
	echo 1 >/proc/sys/vm/drop_caches 2>/dev/null || true
fi
(cd "$tape" && sha256sum --quiet -c SHA256SUMS)
echo "backup: $pool/$name is verified"

# oldest first: the names sort by time
mapfile -t all < <(cd "$mountpoint/$pool" &&
	find . -mindepth 1 -maxdepth 1 -type d -name '????-??-??-??????' -printf '%f\n' | sort)
for ((i = 0; i < ${#all[@]} - keep; i++)); do
	echo "backup: giving back $pool/${all[i]}"
	rm -r "${mountpoint:?}/$pool/${all[i]}"
done
