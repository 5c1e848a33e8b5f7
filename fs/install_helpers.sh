#!/bin/sh
# install_helpers.sh - puts the helpers of mount(8) and umount(8) where these look for them.
# An install without the right to do so goes on without them, and says so.

folder=${DESTDIR:-}/sbin
for helper in "$@"; do
	name=${helper##*/}
	case $helper in
	/*) ;;
	*) helper=${MESON_BUILD_ROOT:-.}/$helper ;;
	esac
	if mkdir -p "$folder" 2>/dev/null && install -m 755 "$helper" "$folder/$name" 2>/dev/null; then
		echo "Installing $name to $folder"
	else
		echo "NOT installed: $folder/$name (no right to write there);" >&2 \
			"mount -t fuse.rsmfs and a umount that waits need it"
	fi
done
exit 0
