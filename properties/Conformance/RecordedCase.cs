using System.Globalization;
using System.Text.Json;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>One recorded script for a remapping unit, and what another implementation answered to each of its steps.</summary>
internal sealed class RecordedCase(JsonElement json)
{
    private const ulong FaultFlag = 1ul << 63;

    public string Id => json.GetProperty("id").GetString()!;

    public string Group => json.GetProperty("group").GetString()!;

    /// <summary>All cases of the shared file, or the test is skipped.</summary>
    public static IReadOnlyList<RecordedCase> All => Load();

    /// <summary>Plays the script on a unit of our own.</summary>
    /// <returns>A line for each answer that differs.</returns>
    public List<string> Play()
    {
        using RemappingWorld world = new(Profile(), 512 << 20);
        List<string> differences = [];
        int number = 0;
        foreach (JsonElement step in json.GetProperty("steps").EnumerateArray())
        {
            Play(world, step, difference => differences.Add($"{number}: {difference}"));
            number++;
        }

        return differences;
    }

    // The capabilities are those of the run; what registers do not tell is as in the profile of the emulator.
    private HardwareProfile Profile()
    {
        string properties = json.GetProperty("iommu_props").GetString()!;
        return HardwareProfile.Named("qemu") with
        {
            Capabilities = new(new(Number(json, "cap"))),
            ExtendedCapabilities = new(new(Number(json, "ecap"))),
            HostAddressWidth = properties.Contains("aw-bits=39", StringComparison.Ordinal) ? 39 : 48,
        };
    }

    private static void Play(RemappingWorld world, JsonElement step, Action<string> differ)
    {
        switch (step.GetProperty("op").GetString())
        {
            case "mem_write":
                Assert.True(world.Memory.TryWrite(new PhysicalAddress(Number(step, "addr")), Bytes(step, "bytes")));
                break;
            case "mem_read":
                byte[] found = new byte[step.GetProperty("len").GetInt32()];
                Assert.True(world.Memory.TryRead(new PhysicalAddress(Number(step, "addr")), found.AsSpan()));
                Expect(differ, $"memory {Number(step, "addr"):X}", step.GetProperty("expect").GetString()!, Convert.ToHexStringLower(found));
                break;
            case "reg_write":
                world.Write((int)Number(step, "off"), Number(step, "value"), step.GetProperty("size").GetInt32());
                break;
            case "reg_read":
                ulong value = world.Read((int)Number(step, "off"), step.GetProperty("size").GetInt32());
                Expect(differ, step.GetProperty("reg").GetString()!, Number(step, "expect"), value, world, (int)Number(step, "off"));
                break;
            case "dma_read":
                DmaRead(world, step, differ);
                break;
            case "dma_write":
                DmaWrite(world, step, differ);
                break;
            case "msi":
                byte[] data = BitConverter.GetBytes((uint)Number(step, "data"));
                DmaStatus sent = Port(world, step).Write(new(Number(step, "addr")), data);
                CompareAfter(world, step.GetProperty("expect"), sent, differ);
                break;
            case "irq_check":
                CompareInterrupts(world, step.GetProperty("expect"), differ);
                break;
            default:
                break;
        }
    }

    private static void DmaRead(RemappingWorld world, JsonElement step, Action<string> differ)
    {
        byte[] data = new byte[step.GetProperty("len").GetInt32()];
        DmaStatus status = Port(world, step).Read(new(Number(step, "addr")), data);
        JsonElement expect = step.GetProperty("expect");
        CompareAfter(world, expect, status, differ);
        Expect(differ, "data", expect.GetProperty("data").GetString()!, Convert.ToHexStringLower(data));
    }

    private static void DmaWrite(RemappingWorld world, JsonElement step, Action<string> differ)
    {
        byte[] data = Bytes(step, "bytes");
        DmaStatus status = Port(world, step).Write(new(Number(step, "addr")), data);
        JsonElement expect = step.GetProperty("expect");
        CompareAfter(world, expect, status, differ);
        if (!expect.TryGetProperty("landed", out JsonElement landed))
            return;
        int done = 0;
        foreach (JsonElement piece in landed.EnumerateArray())
        {
            int length = piece.GetProperty("len").GetInt32();
            byte[] found = new byte[length];
            bool backed = world.Memory.TryRead(new PhysicalAddress(Number(piece, "gpa")), found.AsSpan());
            bool there = backed && found.AsSpan().SequenceEqual(data.AsSpan(done, length));
            Expect(differ, $"landed at {Number(piece, "gpa"):X}", piece.GetProperty("ok").GetBoolean(), there);
            done += length;
        }
    }

    private static void CompareAfter(RemappingWorld world, JsonElement expect, DmaStatus status, Action<string> differ)
    {
        // "Dropped" is any way of moving nothing without a fault.
        string expected = expect.GetProperty("status").GetString()!;
        string ours = status == DmaStatus.Success ? "ok" : world.Faults.Count != 0 ? "blocked" : "dropped";
        Expect(differ, "status", expected == "delivered" ? "ok" : expected, ours);
        Expect(differ, "FSTS", Number(expect, "FSTS"), world.Read(RegisterOffsets.FaultStatus, 4), world, 0);
        ulong high = Number(expect, "FRCD_HI");
        int record = (int)world.FaultRecords;
        Expect(differ, "FRCD_HI", high, world.Read(record + 8), world, record + 8);
        if ((high & FaultFlag) != 0)
            Expect(differ, "FRCD_LO", Number(expect, "FRCD_LO"), world.Read(record), world, record);
        if (expect.TryGetProperty("faults_reported", out JsonElement faults))
            Expect(differ, "faults", string.Join(", ", faults.EnumerateArray().Select(Told).Order()), string.Join(", ", world.Faults.Select(Told).Distinct().Order()));
        world.Faults.Clear();
        if (expect.TryGetProperty("irqs", out JsonElement interrupts))
            CompareInterrupts(world, interrupts, differ);
        world.Messages.Clear();
    }

    private static void CompareInterrupts(RemappingWorld world, JsonElement expect, Action<string> differ)
    {
        string expected = string.Join(", ", expect.EnumerateArray().Select(one =>
            $"{one.GetProperty("dest")}/{one.GetProperty("dest_mode")} {one.GetProperty("delivery_mode")} {one.GetProperty("vector")} {one.GetProperty("trigger_mode")}"));
        string ours = string.Join(", ", world.Messages.Select(message =>
            $"{message.Destination | (message.Address >> 32 & 0xFFFF_FF00)}/{message.Address >> 2 & 1} {message.Data >> 8 & 7} {message.Vector} {message.Data >> 15 & 1}"));
        Expect(differ, "interrupts", expected, ours);
        world.Messages.Clear();
    }

    private static string Told(JsonElement fault) =>
        $"{Number(fault, "sid"):X}:{Number(fault, "reason"):X}@{Number(fault, "addr") & ~0xFFFul:X}{(fault.GetProperty("write").GetInt32() != 0 ? "w" : "r")}";

    private static string Told((RemappingFault Fault, FaultDisposition Disposition) entry) =>
        $"{entry.Fault.Source.Value:X}:{(int)entry.Fault.Reason:X}@{entry.Fault.Address.Value & ~0xFFFul:X}{(entry.Fault.Write ? "w" : "r")}";

    private static void Expect<T>(Action<string> differ, string what, T expected, T found)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
            differ($"{what} {found} not {expected}");
    }

    private static void Expect(Action<string> differ, string what, ulong expected, ulong found, RemappingWorld world, int offset)
    {
        // A record without F says nothing; without PP it says nothing about the PASID.
        if ((ulong)offset == world.FaultRecords + 8)
        {
            ulong mask = (expected & FaultFlag) == 0 ? FaultFlag : (expected >> 31 & 1) == 0 ? ~(0xFFFFFul << 40) : ulong.MaxValue;
            (expected, found) = (expected & mask, found & mask);
        }

        if ((ulong)offset == world.FaultRecords && what.StartsWith("FRCD", StringComparison.Ordinal) && (world.Read(offset + 8) & FaultFlag) == 0)
            return;
        if (expected != found)
            differ($"{what} {found:X} not {expected:X}");
    }

    private static RemappedPort Port(RemappingWorld world, JsonElement step) => world.Unit.Open(new((ushort)Number(step, "sid")));

    private static ulong Number(JsonElement element, string name)
    {
        string text = element.GetProperty(name).GetString()!;
        return ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    private static byte[] Bytes(JsonElement element, string name) => Convert.FromHexString(element.GetProperty(name).GetString()!);

    private static List<RecordedCase> Load()
    {
        string path = SharedFiles.Require("conformance/vtd-cases.json");
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(element => new RecordedCase(element.Clone()))];
    }
}
