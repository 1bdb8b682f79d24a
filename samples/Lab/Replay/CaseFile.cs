using System.Text.Json;
using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>A file of recorded cases in the format <c>vtd-replay-1</c>: the machine that they ran on, and the scripts.</summary>
/// <param name="RamBytes">Bytes of memory from address 0 on.</param>
/// <param name="Cases">The scripts.</param>
internal sealed record CaseFile(ulong RamBytes, IReadOnlyList<RecordedCase> Cases)
{
    /// <summary>What the file says of itself.</summary>
    public const string Format = "vtd-replay-1";

    /// <summary>The largest file that is read.</summary>
    public const long BytesMax = 64 << 20;

    /// <summary>The most memory that a machine of a case has: all in one piece, below its devices.</summary>
    public const ulong RamBytesMax = 0xB000_0000;

    /// <summary>The most devices of a case.</summary>
    public const int DevicesMax = 64;

    /// <summary>The widest addresses that a unit of the recorder has where a case does not say; other widths are 39 and 57.</summary>
    private const int UsualWidth = 48;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="behaviour">What capability registers do not tell is as in this profile.</param>
    /// <exception cref="CaseFileException">It cannot be read, or is no such file.</exception>
    public static CaseFile Read(string path, HardwareProfile behaviour)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(ReadBytes(path));
            return Parse(CaseFields.Of(document.RootElement, "the file"), behaviour);
        }
        catch (JsonException broken)
        {
            throw new CaseFileException($"'{path}' is no JSON, or only a part of it: {broken.Message}");
        }
        catch (InvalidOperationException)
        {
            throw new CaseFileException($"'{path}' holds a text that is not Unicode.");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new CaseFileException($"'{path}' cannot be read: {problem.Message}");
        }
    }

    // A device or a pipe does not say how long it is.
    private static byte[] ReadBytes(string path)
    {
        using FileStream file = File.OpenRead(path);
        using MemoryStream bytes = new();
        byte[] piece = new byte[1 << 16];
        for (int read = file.Read(piece); read != 0; read = file.Read(piece))
        {
            bytes.Write(piece.AsSpan(0, read));
            if (bytes.Length > BytesMax)
                throw new CaseFileException($"'{path}' has more than {BytesMax:N0} bytes; that is no file of cases.");
        }

        return bytes.ToArray();
    }

    private static CaseFile Parse(CaseFields file, HardwareProfile behaviour)
    {
        string format = file.Text("format");
        if (format != Format)
            throw new CaseFileException($"The file says that its format is '{format}', not '{Format}'.");
        CaseFields platform = file.Object("platform");
        ulong memory = platform.RamBytes(RamBytesMax);
        RecordedCase[] cases = [.. file.Each("cases", ", case").Select(one => Parse(one, memory, behaviour))];
        return cases.Length != 0 ? new(memory, cases) : throw new CaseFileException("There are no cases in the file.");
    }

    private static RecordedCase Parse(CaseFields json, ulong memory, HardwareProfile behaviour)
    {
        string id = json.Text("id");
        json = json.At($"case {id}");
        Dictionary<string, RecordedDevice> devices = [];
        foreach ((string name, CaseFields device) in json.Members("devices"))
        {
            devices[name] = Device(device);
            if (devices.Values.Count(other => other.Source == devices[name].Source) != 1)
                throw new CaseFileException($"{device.Place}: another device is at {devices[name].Source}.");
        }

        if (devices.Count > DevicesMax)
            throw new CaseFileException($"{json.Place}: a case has at most {DevicesMax} devices, not {devices.Count}.");
        HardwareProfile hardware = Hardware(json, behaviour);
        StepReader reader = new(devices, memory);
        RecordedStep[] steps = [.. json.Each("steps", ", step").Select(reader.Read)];
        if (steps.Length == 0)
            throw new CaseFileException($"{json.Place} has no steps.");
        return new(id, json.Has("title") ? json.Text("title") : "", hardware, devices, steps);
    }

    private static RecordedDevice Device(CaseFields json)
    {
        ulong mask = json.Has("dma_mask") ? json.Number("dma_mask") : ulong.MaxValue;
        SourceId source = new((ushort)json.Number("sid", ushort.MaxValue));
        if (json.Has("bdf") && json.Text("bdf") != source.ToString())
            throw new CaseFileException($"{json.Place}: 'bdf' and 'sid' are different functions.");
        return new(source, mask);
    }

    // The capabilities are those of the run; the width of addresses is what the recorder was told to have.
    private static HardwareProfile Hardware(CaseFields json, HardwareProfile behaviour)
    {
        string properties = json.Has("iommu_props") ? json.Text("iommu_props") : "";
        int width = properties.Contains("aw-bits=39", StringComparison.Ordinal) ? 39
            : properties.Contains("aw-bits=57", StringComparison.Ordinal) ? 52
            : UsualWidth;
        try
        {
            HardwareProfile described = HardwareProfile.From(behaviour.Version, new(new(json.Number("cap"))), new(new(json.Number("ecap"))), width);
            return behaviour with
            {
                Name = described.Name,
                Capabilities = described.Capabilities,
                ExtendedCapabilities = described.ExtendedCapabilities,
                HostAddressWidth = described.HostAddressWidth,
            };
        }
        catch (ArgumentException impossible)
        {
            throw new CaseFileException($"{json.Place}: {impossible.Message}");
        }
    }
}
