# Turns a text into the lines of a C string literal, without what SQL leaves out anyway.
s/--.*//
/^[[:space:]]*$/d
s/\\/\\\\/g
s/"/\\"/g
s/^[[:space:]]*/"/
s/$/\\n"/
