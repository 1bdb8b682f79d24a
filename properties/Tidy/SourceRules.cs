using System.Text.RegularExpressions;

namespace Dma.Properties;

/// <summary>What every source file keeps to.</summary>
public sealed partial class SourceRules
{
    private static readonly string[] MayBeUnsafe = ["Machine/Machine.csproj", "benchmarks/"];

    // Put together here, so that this file itself does not hold them.
    private static readonly string[] TaskMarkers = ["TO" + "DO", "FIX" + "ME", "HA" + "CK", "XX" + "X"];

    // What the sections of Spec folders are sections of.
    private static readonly string[] Manuals =
        ["VT-d", "EHCI", "xHCI", "USB", "SPC", "SBC", "ACPI", "PCI", "Intel SDM", "management device", "dummy device", "Xen"];

    [Fact]
    public void Each_format_names_its_section() =>
        Assert.Empty(SourceText.All(".cs").Where(IsSpec).SelectMany(FormatsWithoutSection));

    [Fact]
    public void Only_the_memory_of_the_machine_is_unsafe() => Assert.Empty(SourceText.All(".csproj", ".props", ".targets").SelectMany(UnsafeProjects));

    [Fact]
    public void No_source_puts_work_off() => Assert.Empty(SourceText.All(".cs", ".csproj", ".props", ".md", ".yml", ".sh").SelectMany(PutOff));

    [Fact]
    public void A_format_without_a_section_is_found()
    {
        const string With = "/// <summary>An entry (VT-d, root entry).</summary>\n[StructLayout(LayoutKind.Sequential)]\npublic readonly record struct Entry(Bits64 Raw);\n";
        const string Without = "/// <summary>An entry\n/// of a table.</summary>\npublic readonly record struct Entry(Bits64 Raw);\n";
        const string Nothing = "public enum Kind\n{\n}\n";
        const string Helper = "/// <summary>Reads formats.</summary>\npublic static class Reading\n{\n}\n";
        Assert.Empty(FormatsWithoutSection(new("Iommu/Spec/A.cs", With + Helper)));
        Assert.Equal(["Iommu/Spec/A.cs: Entry", "Iommu/Spec/A.cs: Kind"], FormatsWithoutSection(new("Iommu/Spec/A.cs", Without + Nothing)));
        Assert.True(IsSpec(new("Iommu/Spec/Deep/A.cs", "")));
        Assert.False(IsSpec(new("Iommu/Walk/A.cs", "")));
    }

    [Fact]
    public void Unsafe_code_elsewhere_is_found()
    {
        const string Unsafe = "<AllowUnsafeBlocks>true</AllowUnsafeBlocks>";
        Assert.Empty(UnsafeProjects(new("Machine/Machine.csproj", Unsafe)));
        Assert.Equal(["Vmm/Vmm.csproj"], UnsafeProjects(new("Vmm/Vmm.csproj", Unsafe)));
        Assert.Equal(["Directory.Build.props"], UnsafeProjects(new("Directory.Build.props", Unsafe)));
    }

    [Fact]
    public void Work_that_was_put_off_is_found()
    {
        Assert.Equal(["a.cs:2"], PutOff(new("a.cs", $"x\n// {TaskMarkers[0]}: later\n")));
        Assert.Empty(PutOff(new("a.cs", $"x{TaskMarkers[0]}s, {TaskMarkers[0].ToUpperInvariant()}_LIST")));
    }

    private static bool IsSpec(SourceText file) => file.Path.Contains("/Spec/", StringComparison.Ordinal);

    private static IEnumerable<string> FormatsWithoutSection(SourceText file)
    {
        string[] lines = file.Lines;
        for (int at = 0; at < lines.Length; at++)
        {
            Match type = TypeDeclaration().Match(lines[at]);
            if (!type.Success)
                continue;
            IEnumerable<string> above = lines[..at].Reverse().TakeWhile(line => line.StartsWith("///", StringComparison.Ordinal) || line.StartsWith('['));
            string summary = Summary().Match(string.Join(" ", above.Reverse())).Value;
            if (!Manuals.Any(manual => summary.Contains("(" + manual, StringComparison.Ordinal)))
                yield return $"{file.Path}: {type.Groups["name"].Value}";
        }
    }

    private static IEnumerable<string> UnsafeProjects(SourceText project) =>
        project.Content.Contains("AllowUnsafeBlocks", StringComparison.Ordinal) && !MayBeUnsafe.Any(may => project.Path.StartsWith(may, StringComparison.Ordinal))
            ? [project.Path]
            : [];

    private static IEnumerable<string> PutOff(SourceText file) => file.Lines
        .Select((line, index) => (Line: line, Number: index + 1))
        .Where(entry => TaskMarkers.Any(marker => Regex.IsMatch(entry.Line, $@"\b{marker}\b")))
        .Select(entry => $"{file.Path}:{entry.Number}");

    // A type at the left margin that is not a static class: those have no format.
    [GeneratedRegex(@"^(public|internal) ((readonly|sealed|abstract|partial|ref) )*(record struct|record class|record|struct|enum|class|interface) (?<name>\w+)")]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex("<summary>.*</summary>")]
    private static partial Regex Summary();
}
