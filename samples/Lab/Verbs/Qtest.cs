using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Dma.Iommu;
using Dma.UsbDevice;

namespace Dma.Lab;

/// <summary><c>dma qtest</c>: a machine without a processor, driven by QEMU's qtest protocol on a Unix socket.</summary>
internal sealed class Qtest : Verb
{
    private const int UsbDevice = 0x1D;

    private readonly Option<string?> _socket = new("--socket")
    {
        Description = "Listen here, for any number of clients, until a signal ends it.",
        HelpName = "PATH",
    };

    private readonly Option<string?> _connect = new("--connect")
    {
        Description = "Connect to somebody who listens here, as a test that starts an emulator does; ends with that connection.",
        HelpName = "PATH",
    };

    private readonly Option<ulong> _ramSize = new("--ram-size")
    {
        Description = "Memory, in bytes or with K, M or G; above 2816M it is split at 2 GiB, and goes on at 4 GiB.",
        HelpName = "N",
        DefaultValueFactory = static _ => 512 << 20,
        CustomParser = ParseSize,
    };

    private readonly Option<string?> _ramFile = new("--ram-file")
    {
        Description = "Keep memory in this file, which others may map; it is created, or grown to the size.",
        HelpName = "PATH",
    };

    private readonly ProfileOption _profile = new("The remapping unit at 0xfed90000", "qemu");

    private readonly WordOption _translation = new("--translation", "Whether there is a remapping unit; without it, addresses of devices are those of memory", "on", "off");

    private readonly Option<string[]> _device = new("--device")
    {
        Description = "Repeatable. edu@00:04.0[,dma_mask=N] and iommu-testdev@00:06.0 plug in what the name says at any place on bus 0; "
            + $"without any, both are where these examples have them. At the next port of the controller that --usb names: {UsbDeviceFactory.Help}",
        HelpName = "DEVICE",
    };

    private readonly WordOption _usb = new("--usb", "A USB controller at 00:1d.0", UsbControllers.Names, usual: null);

    private readonly Option<bool> _writable = new("--writable")
    {
        Description = "Let disks be written; otherwise they are opened for reading only.",
    };

    private readonly Option<bool> _realTime = new("--realtime")
    {
        Description = "Let virtual time follow the wall clock; otherwise clients alone move it, by clock_step and clock_set.",
    };

    private readonly CaptureOption _capture = new();
    private UsbController? _controller;

    /// <summary>The verb.</summary>
    public Qtest(Terminal terminal)
        : base("qtest", "Serve QEMU's qtest protocol over a machine with memory, PCI (ports 0xcf8/0xcfc, ECAM at 0xb0000000), a remapping unit and small devices.", terminal) => Add(_socket, _connect, _ramSize, _ramFile, _profile, _translation, _device, _usb, _writable, _realTime, _capture);

    /// <inheritdoc/>
    public override IReadOnlyList<string> Examples =>
    [
        "qtest --socket /tmp/dma.sock",
        "qtest --socket /tmp/dma.sock --device edu@00:04.0,dma_mask=0xffffffffffffffff --device edu@00:05.0",
        "qtest --connect /tmp/qtest-1234.sock --ram-file /dev/shm/guest --ram-size 1G --usb ehci --device disk=disk.img",
    ];

    /// <inheritdoc/>
    protected override int Run(ParseResult line)
    {
        if ((line.GetValue(_socket) is null) == (line.GetValue(_connect) is null))
            return Terminal.Refuse("Either --socket or --connect is needed.");
        if (!_capture.TryCreate(line, out FileStream? file, out string? unwritable))
            return Terminal.Refuse(unwritable);
        ScriptedMachine? machine = null;
        UsbDeviceFactory? devices = null;
        try
        {
            if (!TryBuild(line, out machine, out devices, out string problem))
                return Terminal.Refuse(problem);
            using UsbCapture? capture = _controller?.Capture(file, machine!.Loop);
            return Serve(line, machine!);
        }
        finally
        {
            machine?.Dispose();
            devices?.Dispose();
            file?.Dispose();
        }
    }

    private static ulong ParseSize(ArgumentResult argument)
    {
        string text = argument.Tokens[0].Value;
        int shift = text.Length == 0 ? 0 : text[^1] switch
        {
            'K' or 'k' => 10,
            'M' or 'm' => 20,
            'G' or 'g' => 30,
            _ => 0,
        };
        string digits = shift == 0 ? text : text[..^1];
        if (ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out ulong size) && size <= ulong.MaxValue >> shift)
            return size << shift;
        argument.AddError($"A size is a whole number of bytes, or one with K, M or G, not '{text}'.");
        return 0;
    }

    private int Serve(ParseResult line, ScriptedMachine machine)
    {
        QtestServer server = new(machine, new(machine.Loop, line.GetValue(_realTime)));
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, End);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        if (line.GetValue(_connect) is { } peer)
        {
            if (!QtestSocket.TryConnect(peer, out Socket? connection, out string unreachable))
                return Terminal.Refuse(unreachable);
            server.Serve(connection, stop.Token);
            return ExitCode.Ok;
        }

        if (!QtestSocket.TryListen(line.GetValue(_socket)!, out Socket? listener, out string problem))
            return Terminal.Refuse(problem);
        using (listener)
        {
            Terminal.Error.Profile.Out.Writer.WriteLine($"dma: qtest listens at {line.GetValue(_socket)}");
            server.Listen(listener, stop.Token);
        }

        return ExitCode.Ok;

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }
    }

    private bool TryBuild(ParseResult line, out ScriptedMachine? machine, out UsbDeviceFactory? devices, out string problem)
    {
        machine = null;
        devices = null;
        try
        {
            machine = new(new()
            {
                Profile = line.GetValue(_translation) == "on" ? HardwareProfile.Named(line.GetRequiredValue(_profile)) : null,
                RamBytes = line.GetValue(_ramSize),
                RamFile = line.GetValue(_ramFile),
            });
            devices = new(machine.Loop) { Writable = line.GetValue(_writable) };
            problem = Plug(line, machine, devices);
        }
        catch (Exception refusal) when (refusal is ArgumentException or IOException)
        {
            problem = refusal.Message;
        }

        return problem.Length == 0;
    }

    // What keeps a device from being plugged in; nothing where all are.
    private string Plug(ParseResult line, ScriptedMachine machine, UsbDeviceFactory devices)
    {
        ILookup<bool, string> named = (line.GetValue(_device) ?? []).ToLookup(UsbDeviceFactory.Knows);
        List<DeviceSpec> specs = [];
        foreach (string text in named[false])
        {
            if (!DeviceSpec.TryParse(text, out DeviceSpec? spec, out string problem))
                return problem;
            specs.Add(spec);
        }

        foreach (DeviceSpec spec in specs.Count == 0 ? DeviceSpec.Default : specs)
            spec.PlugInto(machine);
        return PlugUsb([.. named[true]], line, machine, devices);
    }

    private string PlugUsb(string[] named, ParseResult line, ScriptedMachine machine, UsbDeviceFactory devices)
    {
        if (line.GetValue(_usb) is not { } kind)
            return named.Length == 0 ? "" : $"The USB device '{named[0]}' needs a controller: --usb {string.Join('|', UsbControllers.Names)}.";
        _controller = UsbControllers.Create(kind, machine.Loop);
        _ = machine.Plug(_controller.Function, UsbDevice);
        return _controller.Plug(named, devices);
    }
}
