using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>What a person wants of a device of a kind, checked against what the kind has.</summary>
/// <param name="Argument">What stands behind the kind; empty where nothing does.</param>
/// <param name="Speed">The speed.</param>
/// <param name="NamesSpeed">Whether the person named the speed.</param>
/// <param name="Options">All options, in the order in which they were written.</param>
internal sealed record UsbDeviceOrder(string Argument, UsbSpeed Speed, bool NamesSpeed, IReadOnlyList<(string Name, string Value)> Options)
{
    private const string SpeedOption = "speed";

    /// <summary>For a hub: the devices at its ports, from port 1 on.</summary>
    public IReadOnlyList<IUsbDevice> Below { get; init; } = [];

    /// <summary>Checks the words.</summary>
    /// <param name="spec">What was written.</param>
    /// <param name="kind">What the kind has.</param>
    /// <param name="defaultSpeed">The speed where none is named.</param>
    /// <exception cref="UsbDeviceException">Something is missing or makes no sense.</exception>
    public static UsbDeviceOrder Of(UsbDeviceSpec spec, UsbDeviceKind kind, UsbSpeed defaultSpeed)
    {
        if (kind.NeedsArgument && string.IsNullOrEmpty(spec.Argument))
            throw new UsbDeviceException($"'{kind.Name}' lacks something: {kind.Name}{kind.Argument}.");
        if (!kind.TakesArgument && spec.Argument is not null)
            throw new UsbDeviceException($"'{kind.Name}' takes nothing behind '='.");
        foreach ((string name, string _) in spec.Options)
        {
            if (!kind.Options.Contains(name))
                throw new UsbDeviceException($"'{kind.Name}' has no option '{name}'. It has: {string.Join(", ", kind.Options)}.");
        }

        string? speed = spec.Options.LastOrDefault(option => option.Name == SpeedOption).Value;
        return new(spec.Argument ?? "", speed is null ? defaultSpeed : ParseSpeed(speed), speed is not null, spec.Options);
    }

    /// <summary>The values of an option, in the order in which they were written.</summary>
    public IEnumerable<string> All(string option) => Options.Where(entry => entry.Name == option).Select(entry => entry.Value);

    private static UsbSpeed ParseSpeed(string text) => text switch
    {
        "low" => UsbSpeed.Low,
        "full" => UsbSpeed.Full,
        "high" => UsbSpeed.High,
        "super" => UsbSpeed.Super,
        _ => throw new UsbDeviceException($"'{text}' is no speed. There are: low, full, high, super."),
    };
}
