using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Memory images of a kernel that ran with remapping on: what its tables reach must be what others decoded from them.</summary>
public sealed class LinuxTables
{
    [Theory]
    [InlineData("legacy48")]
    [InlineData("sm-ss")]
    [InlineData("pt48")]
    public void The_tables_that_Linux_built_reach_what_was_recorded(string name)
    {
        string image = SharedFiles.Require($"corpora/linux-tables/{name}.mem.gz");
        JsonNode expected = JsonNode.Parse(File.ReadAllText(SharedFiles.Require($"corpora/linux-tables/{name}.expected.json")))!;
        Assert.True(MemoryImage.TryLoad(image, MemoryImageFormat.Detect, default, out PhysicalMemory? memory, out string error), error);
        using PhysicalMemory loaded = memory;

        // Once for a unit of which nothing is known, once for the one that Linux ran on.
        foreach (HardwareProfile profile in (HardwareProfile[])[AuditRequest.AnyUnit, UnitOf(expected)])
        {
            AuditReport report = TableAudit.Run(loaded, new()
            {
                Root = new(Number(expected["root"]!)),
                Mode = (string)expected["mode"]! == "scalable" ? TranslationTableMode.Scalable : TranslationTableMode.Legacy,
                InterruptTable = new(new(Number(expected["registers"]!["IRTA"]!))),
                Profile = profile,
            });
            JsonNode actual = ToJson(report);
            foreach (string part in (string[])["mode", "root", "functions", "tables", "irt"])
                Assert.True(JsonNode.DeepEquals(expected[part], actual[part]), $"{part} differs: {Difference(expected[part], actual[part], part)}");
            Assert.Empty(report.Faults);
            Assert.Empty(report.Incomplete);
        }
    }

    [Fact]
    public void Tables_that_pass_everything_through_are_no_isolation()
    {
        string image = SharedFiles.Require("corpora/linux-tables/pt48.mem.gz");
        Assert.True(MemoryImage.TryLoad(image, MemoryImageFormat.Detect, default, out PhysicalMemory? memory, out string error), error);
        using PhysicalMemory loaded = memory;
        AuditReport report = TableAudit.Run(loaded, new() { Root = new(0x29D2000) });
        Assert.False(report.IsIsolated);
        Assert.Equal(9, report.ViolationCount);
        Assert.All(report.Findings, finding => Assert.Equal(AuditFindingKind.PassThrough, finding.Kind));
    }

    internal static JsonNode ToJson(AuditReport report)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
            AuditJson.Write(json, report);
        return JsonNode.Parse(stream.ToArray())!;
    }

    private static HardwareProfile UnitOf(JsonNode expected) => AuditRequest.AnyUnit with
    {
        Capabilities = new(new(Number(expected["registers"]!["CAP"]!))),
        ExtendedCapabilities = new(new(Number(expected["registers"]!["ECAP"]!))),
        HostAddressWidth = 48,
    };

    internal static ulong Number(JsonNode node) => ulong.Parse(((string)node!)[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // The first place at which two trees differ.
    internal static string Difference(JsonNode? expected, JsonNode? actual, string path)
    {
        if (expected is JsonObject left && actual is JsonObject right)
        {
            foreach (string key in left.Select(pair => pair.Key).Union(right.Select(pair => pair.Key)))
            {
                if (!JsonNode.DeepEquals(left[key], right[key]))
                    return Difference(left[key], right[key], $"{path}.{key}");
            }
        }

        if (expected is JsonArray before && actual is JsonArray after)
        {
            for (int index = 0; index < Math.Min(before.Count, after.Count); index++)
            {
                if (!JsonNode.DeepEquals(before[index], after[index]))
                    return Difference(before[index], after[index], $"{path}[{index}]");
            }

            return $"{path}: {before.Count} expected, {after.Count} found";
        }

        return $"{path}: {expected?.ToJsonString() ?? "nothing"} expected, {actual?.ToJsonString() ?? "nothing"} found";
    }
}
