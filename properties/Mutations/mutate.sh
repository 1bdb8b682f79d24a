#!/usr/bin/env bash
# Puts one fault at a time into a copy of the simulator and says which test catches it: mutate.sh [FIRST [LAST]].
# Only the library with the fault is built anew; the tests are those of the parts with faults. The exit code is
# 0 where every fault applied and was caught.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
first=${1:-1} last=${2:-1000} number=0 caught=0 survived=0 stale=0
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z | xargs -0 cp --parents -t "$copy/" || exit 2
classes=(LegacyFaultTests LegacyRequestTests ScalableFaultTests ScalableModelTests SecondStageModelTests QuickWalkLaws
    IotlbModelTests InvalidationQueueTests InvalidationTests DescriptorTests FaultRecordingTests RemappingRegisterTests
    UpperContextTests InvalidationEffectTests MappingIsolationTests DeviceTlbModelTests DeviceTlbTimeTests DeviceTlbDriverTests
    DeviceTlbAssignmentTests AccessControlTests ManagementProgramTests ManagementFailureTests HostileManagementTests
    ManagementDriverTests ShareSchedulerTests FolderPathLaws VirtualIommuTests VirtualIommuProgramTests
    NestedIommuTests HostileFrontEndTests UsbDeviceAssignmentTests UsbDeviceOwnerTests SplitDriverLifeTests)
filter=()
for class in "${classes[@]}"; do filter+=(-class "Dma.Properties.$class"); done
bin=$copy/artifacts/bin/properties/debug
build() { dotnet build "$1" -v q -nologo -p:RunAnalyzers=false -p:TreatWarningsAsErrors=false >"$copy/build.log" 2>&1; }
build "$copy/properties" || { tail -5 "$copy/build.log"; exit 2; }
if ! timeout 600 "$bin/Dma.Properties" "${filter[@]}" -noColor >"$copy/test.log" 2>&1; then
    grep FAIL "$copy/test.log"
    echo "Without any fault these tests fail: nothing can be said."
    exit 2
fi

# Puts a line in the place of the only one that equals another but for its indentation.
replace() {
    OLD=$2 NEW=$3 awk '{ line = $0; sub(/^[ \t]+/, "", line); sub(/\r$/, "", line)
        if (line == ENVIRON["OLD"]) { found++; indent = substr($0, 1, match($0, /[^ \t]/) - 1); print indent ENVIRON["NEW"] } else print }
        END { exit found == 1 ? 0 : 1 }' "$1" >"$copy/mutant" && cp "$copy/mutant" "$1"
}

try() {
    local file=$copy/$1 room=${1%%/*} start=$SECONDS by
    cp "$file" "$copy/original"
    if ! replace "$file" "$2" "$3"; then
        echo "STALE     $number. $4: the line is not in $1, or not once"
        stale=$((stale + 1))
        return
    fi
    if ! build "$copy/$room"; then
        echo "STALE     $number. $4: it does not build"
        stale=$((stale + 1))
    else
        cp "$bin/Dma.$room.dll" "$copy/sound.dll"
        cp "$copy/artifacts/bin/$room/debug/Dma.$room.dll" "$bin/"
        if timeout 300 "$bin/Dma.Properties" "${filter[@]}" -stopOnFail -noColor >"$copy/test.log" 2>&1; then
            echo "SURVIVED  $number. $4 ($1)"
            survived=$((survived + 1))
        else
            by=$(grep -m1 -o 'Dma\.Properties\.[^(]*' <(grep -F '[FAIL]' "$copy/test.log") | sed 's/Dma\.Properties\.//; s/ *\[FAIL\].*//')
            echo "caught    $number. $4: ${by:-the run did not end} ($((SECONDS - start)) s)"
            caught=$((caught + 1))
        fi
        cp "$copy/sound.dll" "$bin/Dma.$room.dll"
    fi
    cp "$copy/original" "$file"
}

while IFS= read -r line; do
    case $line in
        "# "*) what=${line#\# } ;;
        "@ "*) path=${line#@ } ;;
        "- "*) old=${line#- } ;;
        "+ "*)
            number=$((number + 1))
            [ $number -lt "$first" ] || [ $number -gt "$last" ] || try "$path" "$old" "${line#+ }" "$what"
            ;;
    esac
done <properties/Mutations/mutations.txt
echo "$caught caught, $survived survived, $stale no longer apply"
[ $((survived + stale)) -eq 0 ]
