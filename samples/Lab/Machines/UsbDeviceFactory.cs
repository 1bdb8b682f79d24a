using System.Diagnostics.CodeAnalysis;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary>Makes the USB devices that a person named, and owns the files that they hold open.</summary>
/// <param name="loop">The time that they live in.</param>
internal sealed class UsbDeviceFactory(EventLoop loop) : IDisposable
{
    private const int HubPortsMin = 4;
    private const int HubPortsMax = 15;
    private const int RecordingBytesMax = 1 << 16;
    private const int SoundBytesMax = 64 << 20;

    private readonly List<IDisposable> _files = [];

    /// <summary>Whether disks may be written; otherwise they are opened for reading only.</summary>
    public bool Writable { get; init; }

    /// <summary>The kinds of devices, each with the words that may follow it and what it is, for the help.</summary>
    public static IReadOnlyList<UsbDeviceKind> Kinds { get; } =
    [
        new("disk", "=FILE", "a disk, bulk-only", ["speed"], static (factory, order) => factory.Disk(order)),
        new("uas", "=FILE", "a disk with USB attached SCSI too", ["speed"], static (factory, order) => factory.Uas(order)),
        new("keyboard", "[=TEXT]", "a keyboard; it types the text", ["speed"], static (factory, order) => factory.Keyboard(order)),
        new("mouse", "", "a mouse", ["speed"], static (factory, order) => factory.Mouse(order)),
        new("audio-in", "[=FILE]", "a microphone that hears the samples of the file, or a tone", ["speed"], static (factory, order) => factory.AudioIn(order)),
        new("audio-out", "[=FILE]", "a speaker; what it plays goes to the file", ["speed"], static (factory, order) => factory.AudioOut(order)),
        new("serial", "", "a serial port that sends all back", ["speed"], static (factory, order) => factory.Serial(order)),
        new("descriptors", "=FILE", "a device that enumerates as recorded; ,report=FILE for each HID interface", ["speed", "report"], static (_, order) => Recorded(order)),
        new(UsbDeviceSpec.Hub, ":(DEVICE;…)", "a hub with devices at its ports", ["speed"], static (factory, order) => factory.Hub(order)),
    ];

    /// <summary>One sentence that names all kinds, for the help.</summary>
    public static string Help { get; } =
        $"{string.Join(", ", Kinds.Select(kind => $"{kind.Name}{kind.Argument} ({kind.Meaning})"))}; "
        + "each takes ,speed=low|full|high|super.";

    /// <summary>Whether a text means a USB device.</summary>
    public static bool Knows(string text) =>
        UsbDeviceSpec.KindOf(text) is var name && Kinds.Any(kind => kind.Name == name);

    /// <summary>Makes a device.</summary>
    /// <param name="text">The words.</param>
    /// <param name="device">The device, plugged in nowhere yet.</param>
    /// <param name="problem">Why there is none; empty where there is one.</param>
    public bool TryCreate(string text, [NotNullWhen(true)] out IUsbDevice? device, out string problem)
    {
        device = null;
        return UsbDeviceSpec.TryParse(text, out UsbDeviceSpec? spec, out problem) && TryCreate(spec, out device, out problem);
    }

    /// <summary>Makes a device, and for a hub those below it.</summary>
    /// <param name="spec">What a person wrote.</param>
    /// <param name="device">The device, plugged in nowhere yet.</param>
    /// <param name="problem">Why there is none; empty where there is one.</param>
    public bool TryCreate(UsbDeviceSpec spec, [NotNullWhen(true)] out IUsbDevice? device, out string problem)
    {
        device = null;
        try
        {
            device = Create(spec);
            problem = "";
        }
        catch (UsbDeviceException refusal)
        {
            problem = refusal.Message;
        }

        return device is not null;
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (IDisposable file in _files)
            file.Dispose();
        _files.Clear();
    }

    private IUsbDevice Create(UsbDeviceSpec spec)
    {
        UsbDeviceKind kind = Kinds.FirstOrDefault(kind => kind.Name == spec.Kind)
            ?? throw new UsbDeviceException($"'{spec.Kind}' is no USB device. There are: {string.Join(", ", Kinds.Select(kind => kind.Name))}.");
        UsbDeviceOrder order = UsbDeviceOrder.Of(spec, kind, UsbSpeed.High) with { Below = [.. spec.Below.Select(Create)] };
        try
        {
            return kind.Create(this, order);
        }
        catch (ArgumentException refusal)
        {
            // What the device itself does not do, such as a speed.
            throw new UsbDeviceException($"'{spec.Kind}': {refusal.Message}", refusal);
        }
    }

    private UsbHub Hub(UsbDeviceOrder order)
    {
        if (order.Below.Count > HubPortsMax)
            throw new UsbDeviceException($"A hub has {HubPortsMax} ports at most.");
        UsbHub hub = new(loop, new() { Speed = order.Speed, PortCount = Math.Max(HubPortsMin, order.Below.Count) });
        for (int port = 0; port < order.Below.Count; port++)
            hub.Downstream[port].Plug(order.Below[port]);
        return hub;
    }

    private MassStorageDevice Disk(UsbDeviceOrder order) => new(Open(order.Argument), speed: order.Speed);

    private UasDevice Uas(UsbDeviceOrder order) => new(Open(order.Argument), speed: order.Speed);

    private KeyboardDevice Keyboard(UsbDeviceOrder order)
    {
        KeyboardDevice keyboard = new(loop, order.Speed);
        keyboard.Type(order.Argument);
        return keyboard;
    }

    private MouseDevice Mouse(UsbDeviceOrder order) => new(loop, order.Speed);

    private AudioSourceDevice AudioIn(UsbDeviceOrder order) =>
        new(loop, order.Argument.Length == 0 ? new SineWave() : new PcmClip(ReadAll(order.Argument, SoundBytesMax)), speed: order.Speed);

    private AudioSinkDevice AudioOut(UsbDeviceOrder order)
    {
        AudioOptions options = new();
        return new(loop, order.Argument.Length == 0 ? new PcmRecording(options.FrameBytes, bytesMax: 0) : Record(order.Argument, options.FrameBytes), options, order.Speed);
    }

    private SerialDevice Serial(UsbDeviceOrder order) => new(loop, order.Speed, loopsBack: true);

    private static DescribedDevice Recorded(UsbDeviceOrder order)
    {
        byte[] recording = ReadAll(order.Argument, RecordingBytesMax);
        byte[][] reports = [.. order.All("report").Select(static path => ReadAll(path, RecordingBytesMax))];
        return RecordedDescriptors.TryRead(recording, reports, out RecordedDescriptors? recorded, out string problem)
            ? new(recorded, order.NamesSpeed ? order.Speed : null)
            : throw new UsbDeviceException($"'{order.Argument}' is no recording of a device. {problem}");
    }

    private PcmFile Record(string path, int frameBytes)
    {
        try
        {
            PcmFile file = new(path, frameBytes);
            _files.Add(file);
            return file;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            throw new UsbDeviceException($"The file '{path}' cannot be written: {refusal.Message}", refusal);
        }
    }

    private static byte[] ReadAll(string path, int bytesMax)
    {
        try
        {
            FileInfo file = new(path);
            if (file.Exists && file.Length > bytesMax)
                throw new UsbDeviceException($"The file '{path}' has {file.Length} bytes, more than {bytesMax}.");
            return File.ReadAllBytes(path);
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException)
        {
            throw new UsbDeviceException($"The file '{path}' cannot be read: {refusal.Message}", refusal);
        }
    }

    private FileDiskImage Open(string path)
    {
        if (!DiskFile.TryOpen(path, Writable, out FileDiskImage? disk, out string problem))
            throw new UsbDeviceException(problem);
        _files.Add(disk);
        return disk;
    }
}
