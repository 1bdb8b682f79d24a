using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using Dma.Devices;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>A small device and its place on bus 0, as a person writes it: <c>edu@00:04.0,dma_mask=0xffffffff</c>.</summary>
/// <param name="Kind">Which device.</param>
/// <param name="Place">Its device and function number; the bus is 0.</param>
/// <param name="DmaMask">For <c>edu</c>: the bits of an address that its DMA can carry; null for its default.</param>
internal sealed record DeviceSpec(string Kind, SourceId Place, ulong? DmaMask)
{
    /// <summary>The teaching device.</summary>
    public const string Edu = "edu";

    /// <summary>The device for tests of remapping.</summary>
    public const string IommuTest = "iommu-testdev";

    /// <summary>The devices that there are where none is named.</summary>
    public static IReadOnlyList<DeviceSpec> Default { get; } = [new(Edu, new(0, 4, 0), null), new(IommuTest, new(0, 6, 0), null)];

    /// <summary>Reads what a person wrote.</summary>
    /// <param name="text">The words.</param>
    /// <param name="spec">The device.</param>
    /// <param name="problem">What is wrong; empty where nothing is.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out DeviceSpec? spec, out string problem)
    {
        spec = null;
        string[] parts = text.Split(',');
        string[] named = parts[0].Split('@');
        ulong? mask = null;
        if (named[0] is not (Edu or IommuTest))
            problem = $"'{named[0]}' is no device. There are: {Edu}, {IommuTest}; and on USB {string.Join(", ", UsbDeviceFactory.Kinds.Select(kind => kind.Name))}.";
        else if (named.Length != 2 || !TryParsePlace(named[1], out SourceId place))
            problem = $"'{text}' has no place on bus 0, such as {named[0]}@00:04.0.";
        else if (parts.Length > 2 || (parts.Length == 2 && (named[0] != Edu || !TryParseMask(parts[1], out mask))))
            problem = $"'{text}' has an option that {named[0]} does not have; edu has dma_mask=NUMBER.";
        else
            (spec, problem) = (new(named[0], place, mask), "");
        return spec is not null;
    }

    /// <summary>Plugs a new device of this kind into a machine.</summary>
    /// <exception cref="ArgumentException">The place is taken.</exception>
    public void PlugInto(ScriptedMachine machine)
    {
        EduOptions edu = new();
        PciFunction function = Kind == Edu
            ? new EduDevice(machine.Loop, edu with { DmaMask = DmaMask ?? edu.DmaMask })
            : new IommuTestDevice(machine.Memory);
        _ = machine.Plug(function, Place.Device, Place.Function);
    }

    // BB:DD.F, as lspci writes it, where BB is 00.
    private static bool TryParsePlace(string text, out SourceId place)
    {
        place = default;
        if (text.Length != 7 || !text.StartsWith("00:", StringComparison.Ordinal) || text[5] != '.')
            return false;
        bool isNumber = int.TryParse(text.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int device);
        int function = text[6] - '0';
        if (!isNumber || device > 31 || function is < 0 or > 7)
            return false;
        place = new(0, device, function);
        return true;
    }

    private static bool TryParseMask(string text, out ulong? mask)
    {
        const string Name = "dma_mask=";
        ulong value = 0;
        bool isMask = text.StartsWith(Name, StringComparison.Ordinal) && QtestNumber.TryParse(Encoding.ASCII.GetBytes(text[Name.Length..]), out value);
        mask = isMask ? value : null;
        return isMask;
    }
}
