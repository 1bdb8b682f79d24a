using System.CommandLine;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Iommu;
using Dma.Machine;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary><c>dma serve</c>: a USB controller as a PCI device of somebody else's virtual machine, by the vfio-user protocol.</summary>
internal sealed class Serve : Verb
{
    private readonly Option<string> _socket = new("--socket")
    {
        Description = "Listen here, for one client after the other, until a signal ends it.",
        HelpName = "PATH",
        Required = true,
    };

    private readonly WordOption _usb = new("--usb", "The controller", UsbControllers.Names);

    private readonly Option<string[]> _device = new("--device")
    {
        Description = $"Repeatable; each goes to the next port of the controller. {UsbDeviceFactory.Help}",
        HelpName = "DEVICE",
    };

    private readonly Option<bool> _writable = new("--writable")
    {
        Description = "Let disks be written; otherwise they are opened for reading only.",
    };

    private readonly ProfileOption _profile = new("The remapping unit between the controller and the client's memory", "friendly");

    private readonly CaptureOption _capture = new();

    /// <summary>The verb.</summary>
    public Serve(Terminal terminal)
        : base("serve", "Offer a USB controller as a PCI device over a Unix socket (vfio-user), as QEMU 10.1 and later can use it.", terminal) => Add(_socket, _usb, _device, _writable, _profile, _capture);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "serve --socket /tmp/usb.sock --usb xhci --device disk=disk.img",
        "serve --socket /tmp/usb.sock --device disk=disk.img --device keyboard=hello --writable --profile xeon-scalable",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        if (!UnixDescriptors.AreSupported)
            return Terminal.Refuse("Memory and events are handed over by Unix sockets as 64-bit Linux has them; this system is another one.");
        try
        {
            if (!_capture.TryCreate(line, out FileStream? file, out string? unwritable))
                return Terminal.Refuse(unwritable);
            using (file)
            {
                UsbController? controller = null;
                using VfioUserMachine machine = new(
                    HardwareProfile.Named(line.GetRequiredValue(_profile)),
                    loop => (controller = UsbControllers.Create(line.GetRequiredValue(_usb), loop)).Function);
                using UsbDeviceFactory devices = new(machine.Loop) { Writable = line.GetValue(_writable) };
                using UsbCapture? capture = controller!.Capture(file, machine.Loop);
                string problem = controller.Plug(line.GetValue(_device) ?? [], devices);
                return problem.Length == 0 ? Listen(line, machine) : Terminal.Refuse(problem);
            }
        }
        catch (DeviceException refusal)
        {
            return Terminal.Refuse(refusal.Message);
        }
    }

    private int Listen(ParseResult line, VfioUserMachine machine)
    {
        string path = line.GetRequiredValue(_socket);
        if (!QtestSocket.TryListen(path, out Socket? listener, out string problem))
            return Terminal.Refuse(problem);
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        using (listener)
        {
            Log($"{line.GetRequiredValue(_usb)} is served at {path}");
            using VfioUserServer server = new(machine, Log);
            server.Listen(listener, stop.Token);
            Log("done");
        }

        return ExitCode.Ok;

        void Log(string text) => Terminal.Error.Profile.Out.Writer.WriteLine($"dma: {text}");

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }
}
