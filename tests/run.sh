#!/bin/bash
# run.sh - every test of rsmfs with one command; installs what is needed on Debian, builds, runs.
#
#   tests/run.sh               gcc with warnings as errors, unit tests, system tests; a clang build;
#                              unit tests under the address and undefined behaviour sanitizers; style
#   tests/run.sh --one NAME    one unit test program, system test, or NAME = format
#   tests/run.sh --asan        unit and system tests under those sanitizers; nothing else
#   tests/run.sh --tsan        unit and system tests under the thread sanitizer; nothing else
#   tests/run.sh --clang       unit and system tests of a clang build; nothing else
#   tests/run.sh --long        soaks: a hundred kill -9, a million files, larger copies
#   tests/run.sh --bench       the benchmarks; nothing else (BENCH_SCALE=0.1 for smaller ones)
#   tests/run.sh --fuzz[=S]    each fuzzer for S seconds (600), two at a time; nothing else
#   tests/run.sh --quick       no clang, no sanitizers
#
# BUILD names the build folder (build-test), RSM_SEED repeats random choices. The last line is
# "N passed, N failed", with ", N skipped" if so; each skip says why. Exit code 0 if none failed.
set -uo pipefail

cd "$(dirname "$0")/.." || exit 1
top=$PWD
build=${BUILD:-$top/build-test}
mode=default
one=

while [ $# -gt 0 ]; do
	case $1 in
	--asan | --tsan | --clang | --bench | --quick) mode=${1#--} ;;
	--one)
		[ $# -ge 2 ] || exit 2
		mode=one one=$2
		shift
		;;
	--fuzz | --fuzz=*)
		mode=fuzz fuzz_seconds=600
		[ "$1" = --fuzz ] || fuzz_seconds=${1#--fuzz=}
		;;
	--long) export RSM_LONG=1 ;;
	-h | --help)
		sed -n '2,18s/^# \{0,1\}//p' "$0"
		exit 0
		;;
	*)
		echo "run.sh: unknown option $1 (--help tells)" >&2
		exit 2
		;;
	esac
	shift
done

passed=0 failed=0 skipped=0
failures=()

finish()
{
	[ ${#failures[@]} = 0 ] || printf 'failed: %s\n' "${failures[@]}"
	if [ $((passed + failed)) = 0 ]; then
		failed=1
		echo "failed: nothing ran"
	fi
	echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
	[ $failed = 0 ]
	exit
}

section()
{
	printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

# check NAME COMMAND...: counts as one test; what it printed is shown if it failed
check()
{
	name=$1
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok    $name"
	else
		failed=$((failed + 1))
		failures+=("$name")
		printf '%s\n' "$output" | tail -n 60
		echo "FAIL  $name"
	fi
}

# build_in FOLDER SETUP-OPTIONS...
build_in()
{
	folder=$1
	shift
	if [ ! -f "$folder/build.ninja" ]; then
		rm -rf "$folder"
		meson setup "$folder" "$top" -Dwerror=true -Dtests=enabled "$@" || return
	fi
	ninja -C "$folder"
}

# Runs the unit tests of a build folder; cases of a TAP program count one each. A program that
# failed is run again in plain words, for TAP hides the values.
unit_tests()
{
	folder=$1
	only=${2:-}
	# shellcheck disable=SC2086
	(cd "$folder" && meson test --no-rebuild --quiet --logbase unit $only) >"$folder/unit.out" 2>&1
	counts=$(python3 "$top/tests/count_units.py" "$folder/meson-logs/unit.junit.xml") || {
		cat "$folder/unit.out"
		counts="0 1 0"
		failures+=("unit tests in $folder did not run")
	}
	while read -r kind name detail; do
		case $kind in
		counts)
			# shellcheck disable=SC2086
			set -- $name $detail
			passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
			echo "unit: $1 passed, $2 failed, $3 skipped ($folder)"
			;;
		ok) echo "ok    $name ($detail)" ;;
		skip) echo "skip  $name # $detail" ;;
		FAIL)
			echo "FAIL  $name ($detail)"
			failures+=("$name ($folder)")
			again "$folder" "$name"
			;;
		esac
	done <<<"$counts"
}

# The program of a failed unit test once more, to show what it saw.
again()
{
	program=$(find "$1/tests" -type f -perm -u+x -name "test_$2" | head -n 1)
	if [ -n "$program" ]; then
		echo "---- $program"
		CMOCKA_MESSAGE_OUTPUT=STDOUT timeout 120 "$program" 2>&1 | grep -v '\[ *\(RUN\|OK\) *\]' |
			tail -n 80
		echo "----"
	fi
}

system_tests()
{
	folder=$1
	shift
	RSM_BUILD=$folder tests/system/run "$@" | tee "$folder/system.out"
	last=$(sed -n 's/^system: //p' "$folder/system.out" | tail -n 1)
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
		mapfile -t names < <(sed -n 's/^FAIL  \([^ ]*\).*/\1/p' "$folder/system.out")
		failures+=("${names[@]}")
	else
		failed=$((failed + 1))
		failures+=("system tests in $folder did not run")
	fi
}

# One fuzzer over its corpus. What it finds is kept beside it as finding-TARGET-*; put a finding
# into tests/fuzz/corpus/TARGET when it is mended. What is new to it stays in new-TARGET. The machine
# may have better things to do (nice), so the time limit of an input is generous.
fuzz_one()
{
	target=$1 folder=$build/tests/fuzz
	mkdir -p "$folder/new-$target"
	set -- -max_total_time="$fuzz_seconds" -max_len=8192 -timeout=300 -rss_limit_mb=2048 \
		-artifact_prefix="$folder/finding-$target-" -print_final_stats=1
	[ ! -f "tests/fuzz/dict/$target.dict" ] || set -- "$@" "-dict=tests/fuzz/dict/$target.dict"
	[ "$target" != volume ] || set -- "$@" -close_fd_mask=2 # it logs
	nice -n 10 "$folder/fuzz_$target" "$@" "$folder/new-$target" "tests/fuzz/corpus/$target" 2>&1
}

fuzz_all()
{
	targets=$(cd tests/fuzz/corpus && echo *)
	export -f fuzz_one
	export build fuzz_seconds
	# shellcheck disable=SC2086
	printf '%s\n' $targets | xargs -P 2 -I{} bash -c \
		"fuzz_one {} >'$build/fuzz-{}.log'; echo \$? >'$build/fuzz-{}.result'"
	for target in $targets; do
		check "fuzz $target: $(sed -n 's/^stat::number_of_executed_units: *//p' \
			"$build/fuzz-$target.log") inputs" fuzz_result "$target"
	done
}

fuzz_result()
{
	grep -v '^#' "$build/fuzz-$1.log"
	[ "$(cat "$build/fuzz-$1.result")" = 0 ]
}

style()
{
	mapfile -t files < <(git ls-files '*.c' '*.h' 2>/dev/null)
	[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find . -path './build*' -prune -o -name '*.[ch]' -print)
	clang-format --dry-run -Werror "${files[@]}"
}

sanitized="-Db_lundef=false --buildtype=debug"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}

section "what is needed"
. "$top/examples/dependencies.sh"
if ! install_dependencies build test; then
	failures+=("the packages that are needed could not be installed")
	failed=1
	finish
fi
echo "all there: $(. /etc/os-release && echo "$PRETTY_NAME"), $(nproc) processors, as $(id -un)"

case $mode in
asan | tsan)
	build=$build-$mode
	kind=address,undefined
	[ $mode = asan ] || kind=thread
	export RSM_PATIENCE=${RSM_PATIENCE:-4}
	section "build with -fsanitize=$kind in $build"
	# shellcheck disable=SC2086
	check "build with $mode" build_in "$build" $sanitized -Db_sanitize=$kind
	section "unit tests"
	unit_tests "$build"
	section "system tests"
	system_tests "$build"
	finish
	;;
clang)
	build=$build-clang
	section "build with clang in $build"
	check "build with clang" env CC=clang bash -c "$(declare -f build_in); top='$top'; build_in '$build'"
	section "unit tests"
	unit_tests "$build"
	section "system tests"
	system_tests "$build"
	finish
	;;
fuzz)
	build=$build-fuzz
	section "build of the fuzzers in $build"
	install_dependencies fuzz || exit
	# shellcheck disable=SC2086
	check "build of the fuzzers" env CC=clang bash -c "$(declare -f build_in); top='$top'
		build_in '$build' -Dfuzz=true $sanitized -Doptimization=2 -Db_sanitize=address,undefined"
	[ $failed = 0 ] || finish
	section "fuzzers, $fuzz_seconds s each"
	fuzz_all
	finish
	;;
esac

section "build with gcc in $build"
check "build with gcc" build_in "$build"
[ $failed = 0 ] || finish

case $mode in
one)
	section "$one"
	if [ "$one" = format ]; then
		check format style
	elif tests/system/run --list | grep -qxF -- "$one"; then
		system_tests "$build" "$one"
	else
		unit_tests "$build" "$one"
	fi
	finish
	;;
bench)
	section "benchmarks"
	if meson test -C "$build" --no-rebuild --benchmark --verbose; then
		passed=1
	else
		failed=1
	fi
	finish
	;;
esac

section "unit tests"
unit_tests "$build"
section "system tests"
system_tests "$build"
section "style"
check "clang-format" style
if [ $mode != quick ]; then
	section "build with clang"
	check "build with clang" env CC=clang bash -c "$(declare -f build_in); top='$top'; build_in '$build-clang'"
	section "unit tests under the address and undefined behaviour sanitizers"
	# shellcheck disable=SC2086
	check "build with sanitizers" build_in "$build-asan" $sanitized -Db_sanitize=address,undefined
	unit_tests "$build-asan"
fi
section "done"
finish
