# Draws what a terminal shows as SVG: plain text with the colours of SGR sequences (ECMA-48 §8.3.117).
#
#   script -qec "evenkeel status" /dev/null | awk -f docs/pictures/terminal.awk > docs/pictures/status.svg

BEGIN {
    class["1"] = "b"; class["31"] = "r"; class["32"] = "g"; class["33"] = "y"
    width_of_character = 8.43; height_of_line = 20; margin = 20
}

{
    sub(/\r$/, "")
    lines[NR] = drawn($0)
    if (columns > widest) widest = columns
}

END {
    width = int(widest * width_of_character) + 2 * margin
    height = NR * height_of_line + 2 * margin
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", width, height, width, height
    print "<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;fill:#d6deeb;white-space:pre}" \
        ".b{font-weight:bold;fill:#fff}.r{fill:#ff6b6b}.g{fill:#5fd38d}.y{fill:#f2c14e}</style>"
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#14202e\"/>\n", width, height
    for (line = 1; line <= NR; line++)
        if (lines[line] != "")
            printf "<text xml:space=\"preserve\" x=\"%d\" y=\"%d\">%s</text>\n", margin, margin + line * height_of_line - 6, lines[line]
    print "</svg>"
}

# One line, its coloured pieces as tspans; counts its characters in `columns`.
function drawn(text,    out, piece, code, open) {
    out = ""; columns = 0; open = 0
    while (match(text, /\033\[[0-9]*m/)) {
        piece = substr(text, 1, RSTART - 1)
        code = substr(text, RSTART + 2, RLENGTH - 3)
        text = substr(text, RSTART + RLENGTH)
        out = out escaped(piece)
        if (open) { out = out "</tspan>"; open = 0 }
        if (code in class) { out = out "<tspan class=\"" class[code] "\">"; open = 1 }
    }
    return out escaped(text) (open ? "</tspan>" : "")
}

function escaped(text) {
    columns += length(text)
    gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
    return text
}
