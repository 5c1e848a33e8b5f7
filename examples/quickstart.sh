#!/bin/bash
# quickstart.sh - rsmfs in one go: build it, mount a virtual tape library, copy files to a cartridge
# and get them back.
#
#   ./examples/quickstart.sh [MOUNTPOINT]
#
# MOUNTPOINT is made if it is missing (default: ~/rsm). The library is your own,
# ~/.local/share/rsmfs/library (root: /var/lib/rsmfs/library), or RSM_LIBRARY if set. RSM_BUILD
# names a build folder to use instead of building. Run it as often as you like.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
mountpoint=${1:-${HOME:-/tmp}/rsm}
build=${RSM_BUILD:-$top/build}
library=${RSM_LIBRARY:-}
pool=Quickstart

say()
{
	printf '\n== %s\n' "$*"
}

# Shows a command as one would type it, then runs it.
run()
{
	printf '$ %s\n' "$*"
	"$@"
}

is_mounted()
{
	[ "$(findmnt -n -o FSTYPE --mountpoint "$1" 2>/dev/null)" = fuse.rsmfs ]
}

mount_library()
{
	run rsmfs ${library:+"$library"} "$mountpoint" -o dismount_delay=5
}

# Clean end of rsmfs: all that is staged goes to its cartridge, which goes home.
unmount_library()
{
	source=$(findmnt -n -o SOURCE --mountpoint "$mountpoint")
	if [ "$(id -u)" = 0 ]; then
		run umount -i "$mountpoint"
	else
		run fusermount3 -u "$mountpoint"
	fi
	run rsm wait "$source"
}

say "what is needed"
. "$top/examples/dependencies.sh"
install_dependencies build
[ -c /dev/fuse ] || {
	echo "there is no /dev/fuse: this kernel or container cannot mount FUSE file systems" >&2
	exit 1
}
echo "all there"

if [ -z "${RSM_BUILD:-}" ]; then
	say "build in $build"
	[ -f "$build/build.ninja" ] || run meson setup "$build" "$top" >"$top/.quickstart.log" 2>&1 || {
		cat "$top/.quickstart.log" >&2
		exit 1
	}
	rm -f "$top/.quickstart.log"
	run ninja -C "$build" --quiet
fi
PATH=$build/fs:$PATH
export RSM_MOUNT=$mountpoint

say "mount a virtual tape library"
mkdir -p "$mountpoint"
if is_mounted "$mountpoint"; then
	echo "$mountpoint is mounted already: going on with it"
else
	mount_library
fi
run ls "$mountpoint"

say "allocate a cartridge: a pool is a folder, a cartridge is a folder in it"
[ -d "$mountpoint/$pool" ] || run mkdir "$mountpoint/$pool"
name=demo-$(date +%Y%m%d-%H%M%S)-$$
tape=$mountpoint/$pool/$name
run mkdir "$tape"
echo "user.rsm.barcode is $(getfattr -n user.rsm.barcode --only-values "$tape" 2>/dev/null ||
	rsm view media "$pool/$name" | awk 'NR == 2 { print $2 }')"

say "copy files and a tar to it (they are staged on disk first, no one waits for the robot)"
run cp -a "$top/core" "$top/fs" "$tape/"
run tar -C "$top" -cf "$tape/changer.tar" changer
run rsm sync "$pool/$name"
run rsm view drives

say "dismount: the cartridge goes back to its slot"
run rsm dismount "$pool/$name"
run rsm view media "$pool/$name"

say "end rsmfs, and mount again"
unmount_library
mount_library

say "look (from the catalogue, the robot stands still), read back, compare"
run ls -l "$tape"
run diff -r "$top/core" "$tape/core"
run diff -r "$top/fs" "$tape/fs"
run tar -C "$top" -df "$tape/changer.tar"
echo "all the same"

say "what the library looks like now"
run rsm view

say "deallocate: an empty cartridge is given back by rmdir"
run rm -r "$tape"
run rmdir "$mountpoint/$pool" || true

say "done; $mountpoint stays mounted"
cat <<END
Try:  export PATH=$build/fs:\$PATH
      mkdir $mountpoint/Backup $mountpoint/Backup/monday && cp -a ~/Documents $mountpoint/Backup/monday/
      rsm view media        rsm help        man $top/fs/rsm.8
End:  $([ "$(id -u)" = 0 ] && echo umount || echo fusermount3 -u) $mountpoint
END
