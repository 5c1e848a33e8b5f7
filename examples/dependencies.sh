# dependencies.sh - what rsmfs needs from Debian, in one place. Sourced by examples/ and tests/run.sh.
#
#   install_dependencies build         to build and run it
#   install_dependencies build test    to test it as well
#   install_dependencies fuzz          to run the fuzzers, when clang is there
#
# Installs only what is missing, with apt-get: as root, else through sudo. On a system without
# dpkg it trusts that what is needed is there; meson names what is not.

build_packages="meson ninja-build gcc libc6-dev pkg-config libfuse3-dev fuse3 libsqlite3-dev
	libsgutils2-dev libexpat1-dev uuid-dev libsmartcols-dev libudev-dev libmount-dev
	libutf8proc-dev libssl-dev"
test_packages="libcmocka-dev clang clang-format python3 attr acl rsync tar diffutils util-linux
	mount procps"

missing_packages()
{
	for package in "$@"; do
		[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s ' "$package"
	done
}

install_dependencies()
{
	command -v dpkg-query >/dev/null || {
		echo "no dpkg here: nothing is installed by this script"
		return 0
	}
	packages=
	for kind in "$@"; do
		case $kind in
		build) packages="$packages $build_packages" ;;
		test) packages="$packages $test_packages" ;;
		fuzz) packages="$packages libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" ;;
		esac
	done
	# shellcheck disable=SC2086
	missing=$(missing_packages $packages)
	[ -n "$missing" ] || return 0
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null || {
			echo "missing packages: $missing" >&2
			echo "install them as root (there is no sudo here): apt-get install $missing" >&2
			return 1
		}
		as_root=sudo
	fi
	echo "installing: $missing"
	# shellcheck disable=SC2086
	{
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
			$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
				--no-install-recommends install $missing >/dev/null
	} || {
		echo "apt-get could not install: $missing" >&2
		return 1
	}
}
