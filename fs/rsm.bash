# rsm.bash - completion of rsm(8) for bash: verbs, options, pools, media, drives.

# First fields of the rows of a view; nothing when no rsmfs is mounted.
_rsm_view()
{
	rsm "${mount[@]}" view "$1" --plain 2>/dev/null | cut -f"$2"
}

_rsm_options()
{
	rsm help "$1" 2>/dev/null | sed -n 's/^  \(--[a-z-]*\).*/\1/p'
	printf '%s\n' --json --plain --help
}

_rsm()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verb= words= i
	local -a mount=() candidates=()
	local IFS=$' \t\n'

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-m | --mount)
			mount=(-m "${COMP_WORDS[i + 1]}")
			((i++))
			;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done

	case $prev in
	-m | --mount)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--drive) words=$(_rsm_view drives 1) ;;
	--medium) words=$(_rsm_view media 2) ;;
	--holds) words="media pools" ;;
	--inventory) words="fast full none" ;;
	--type) words="LTO-5 LTO-6 LTO-7 LTO-8 LTO-9 LTO-5-WORM LTO-6-WORM LTO-7-WORM LTO-8-WORM LTO-9-WORM" ;;
	--drive-type) words="LTO-5 LTO-6 LTO-7 LTO-8 LTO-9" ;;
	--priority | --timeout | --limit | --slots | --drives | --ports | --cartridges | \
		--capacity | --rollback | --view | --unview) return ;;
	*)
		if [[ -z $verb ]]; then
			words="$(rsm help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')
				--json --plain --mount --help --version"
		elif [[ $cur == -* ]]; then
			words=$(_rsm_options "$verb")
		fi
		;;
	esac

	if [[ -z $words ]]; then
		IFS=$'\n'
		case $verb in
		view)
			if ((COMP_CWORD == i + 1)); then
				words=$'libraries\ndrives\nslots\nmedia\npools\nqueue\nrequests'
			else
				words=$(_rsm_view pools 1)
			fi
			;;
		allocate | createpool | deletepool) words=$(_rsm_view pools 1) ;;
		enable | disable)
			if [[ $prev == drive ]]; then
				words=$(_rsm_view drives 1)
			elif [[ $prev == library ]]; then
				words=$(_rsm_view libraries 2)
			else
				words=$'drive\nlibrary\n'$(_rsm_view media 2)
			fi
			;;
		deallocate | mount | dismount | swap | complete | decommission | free | forget | eject | log | \
			check | rename) words="$(_rsm_view media 1)"$'\n'"$(_rsm_view media 2)" ;;
		verify) # a cartridge, or what is in it
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			[[ $cur == */* ]] && return
			words=$(_rsm_view media 1)
			;;
		undelete)
			if ((COMP_CWORD == i + 1)); then
				words=$(_rsm_view media 2)
			else
				words=$(_rsm_view pools 1)
			fi
			;;
		move | sync | find)
			words="$(_rsm_view media 1)"$'\n'"$(_rsm_view pools 1)"
			;;
		requests)
			case $prev in
			satisfy | refuse) words=$(_rsm_view requests 1) ;;
			*) words=$'satisfy\nrefuse' ;;
			esac
			;;
		inventory) words=$(_rsm_view libraries 2) ;;
		door)
			if ((COMP_CWORD == i + 1)); then
				words=$'lock\nunlock'
			else
				words=$(_rsm_view libraries 2)
			fi
			;;
		library)
			if ((COMP_CWORD == i + 1)); then
				words=create
			else
				mapfile -t COMPREPLY < <(compgen -d -- "$cur")
				return
			fi
			;;
		help) words=$(rsm help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p') ;;
		wait | export)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		esac
	fi

	# Names may have blanks: quoted for the shell, one candidate a line.
	local word
	while IFS= read -r word; do
		[[ -n $word && $word == "$cur"* ]] && candidates+=("$(printf '%q' "$word")")
	done < <(if [[ $words == *$'\n'* ]]; then printf '%s\n' "$words"; else printf '%s\n' $words; fi |
		sed 's/^[[:blank:]]*//')
	if [[ -z $verb ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	else
		COMPREPLY=("${candidates[@]}")
	fi
}

complete -F _rsm rsm
