using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A guest that goes through its steps with ordinary drivers, and writes down what came of each: data, order, status.</summary>
/// <param name="host">The host.</param>
/// <param name="machine">The VM.</param>
/// <param name="socket">The root port.</param>
/// <param name="tag">What its device says.</param>
internal class SteppingGuest(Host host, VirtualMachine machine, UsbPort socket, byte tag)
{
    private const ulong MicrosecondNs = 1_000;
    private const int PacketBytes = 512;
    private const int SlotsOfTransfer = 8;
    private const ulong NoEndNs = 10_000_000_000;

    private Func<ValueTask<IUsbHostController>> _start = null!;
    private IUsbHostController? _driver;
    private UsbDeviceHandle? _handle;

    /// <summary>Its device.</summary>
    public CountingDevice Device { get; } = new(tag);

    /// <summary>What came of each step.</summary>
    public List<string> Transcript { get; } = [];

    /// <summary>The longest time that a request took, in nanoseconds.</summary>
    public ulong AskedNsMax { get; private set; }

    /// <summary>Slots of its streams that were due, and those in which nothing came.</summary>
    public (int Due, int Missed) Slots { get; private set; }

    /// <summary>Its streams, each with the time from its first packet to its last, and the slots of that time.</summary>
    public List<StreamSpan> Streams { get; } = [];

    /// <summary>Starts the driver and goes through the steps.</summary>
    /// <param name="device">Its controller.</param>
    /// <param name="start">How a driver starts.</param>
    /// <param name="steps">What it does.</param>
    public Task Run(IDevice device, Func<IDevice, ValueTask<IUsbHostController>> start, IReadOnlyList<DeviceStep> steps)
    {
        socket.Plug(Device);
        return Run(() => start(device), steps);
    }

    /// <summary>Starts the driver of a controller whose device is there, and goes through the steps.</summary>
    /// <param name="start">How it starts.</param>
    /// <param name="steps">What it does.</param>
    public async Task Run(Func<ValueTask<IUsbHostController>> start, IReadOnlyList<DeviceStep> steps)
    {
        _start = start;
        _driver = await _start();
        await Enumerate();
        await Follow(steps);
        Transcript.Add($"device took {Device.Received:X8}");
    }

    /// <summary>Goes through more steps.</summary>
    public async Task Follow(IReadOnlyList<DeviceStep> steps)
    {
        foreach (DeviceStep step in steps)
        {
            if (step.Use == DeviceUse.Crash)
            {
                await host.Destroy(machine);
                break;
            }

            if (step.Use == DeviceUse.ResetController)
            {
                if (_handle is { } handle)
                    await handle.Release();
                await _driver!.Stop();
                _driver = await _start();
                await Enumerate();
                continue;
            }

            Transcript.Add($"{step}: {await Do(step)}");
        }
    }

    /// <summary>In which port its driver finds its device.</summary>
    protected virtual int Port => socket.Number;

    /// <summary>How many transfers a stream has, and how many of them are under way at a time.</summary>
    /// <param name="transfers">How long it shall be.</param>
    protected virtual (int Rows, int UnderWay) RowsOf(int transfers) => (transfers, transfers);

    /// <summary>Somebody pulls its device out.</summary>
    protected virtual Task Unplug()
    {
        _ = socket.Unplug();
        return Task.CompletedTask;
    }

    /// <summary>Somebody plugs it in again.</summary>
    protected virtual Task PlugAgain()
    {
        socket.Plug(Device);
        return Task.CompletedTask;
    }

    private async Task<string> Do(DeviceStep step)
    {
        switch (step.Use)
        {
            case DeviceUse.Wait:
                await machine.Cpu.Processor.Delay((ulong)step.Amount * MicrosecondNs);
                return "";
            case DeviceUse.ResetPort:
                return await Again();
            case DeviceUse.Unplug:
                await Unplug();
                string gone = await Ask();
                await PlugAgain();
                return $"{gone}, then {await Again()}";
            case DeviceUse.Ask:
                return await Ask();
            case DeviceUse.ReadPeriodic:
                return await Move(step.Use, 8);
            case DeviceUse.Read:
                return await Move(step.Use, step.Amount * PacketBytes);
            case DeviceUse.Choose:
                return await Choose((byte)step.Amount);
            case DeviceUse.Stream:
                return await Stream(step.Amount);
            case DeviceUse.Cancel:
                return await Move(step.Use, PacketBytes, (ulong)step.Amount * MicrosecondNs);
            default:
                return await Move(step.Use, step.Amount);
        }
    }

    private async Task Enumerate()
    {
        try
        {
            _handle = await UsbDeviceHandle.Enumerate(_driver!, Port);
            Transcript.Add($"device {_handle.Connection.Number}");
        }
        catch (DriverException exception)
        {
            _handle = null;
            Transcript.Add($"none: {exception.Failure}");
        }
    }

    private async Task<string> Again()
    {
        if (_handle is { } handle)
            await handle.Release();
        await Enumerate();
        return "";
    }

    private async Task<string> Ask()
    {
        if (_handle is not { } handle)
            return "no device";
        byte[] answer = new byte[2];
        ulong startNs = host.Loop.NowNs;
        TransferResult result = await handle.Request(RequestType.Vendor, RequestRecipient.Device, CountingDevice.AskCount, 0, 0, answer);
        if (result.IsCompleted)
            AskedNsMax = Math.Max(AskedNsMax, host.Loop.NowNs - startNs);
        return $"{result.Status} {Convert.ToHexString(answer)}";
    }

    private async Task<string> Choose(byte setting)
    {
        if (_handle is not { } handle)
            return "no device";
        TransferResult result = await handle.Request(RequestType.Standard, RequestRecipient.Interface, (byte)StandardRequest.SetInterface, setting, CountingDevice.StreamInterface);
        return $"{result.Status}";
    }

    // Slots may be missed where the bus is somebody else's for a while; what comes is what a device sends turn by turn, and nothing else.
    private async Task<string> Stream(int transfers)
    {
        if (_handle is not { } handle)
            return "no device";
        byte address = CountingDevice.EndpointOf(DeviceUse.Stream);
        UsbEndpoint endpoint = handle.Configuration.Interfaces.SelectMany(static face => face.Endpoints).First(candidate => candidate.Address == address);
        string chosen = await Choose(1);
        IDmaSpace memory = _driver!.Memory;
        IUsbIsochronousPipe pipe = await handle.Connection.OpenIsochronous(endpoint);
        (int rows, int underWay) = RowsOf(transfers);
        int count = pipe.PacketMultiple * ((SlotsOfTransfer + pipe.PacketMultiple - 1) / pipe.PacketMultiple);
        MemoryBuffer buffer = memory.Allocate(rows * count * pipe.PacketBytesMax);
        DmaMapResult mapped = await memory.Map(buffer, DmaDirection.FromDevice);

        // Several at once, so that the next one is always queued.
        IsochronousPacket[][] packets = [.. Enumerable.Range(0, rows).Select(transfer =>
            Enumerable.Range(transfer * count, count).Select(slot => new IsochronousPacket(slot * pipe.PacketBytesMax, pipe.PacketBytesMax)).ToArray())];
        ulong startNs = host.Loop.NowNs;
        List<Task<IsochronousResult>> queued = [];
        foreach (IsochronousPacket[] row in packets)
        {
            if (queued.Count >= underWay)
                _ = await queued[^underWay];
            queued.Add(pipe.Transfer(mapped.Mapping, row).AsTask());
        }

        IsochronousResult[] results = await Task.WhenAll(queued);
        ulong endNs = host.Loop.NowNs;
        await pipe.Close();
        DmaRefusal unmapped = await memory.Unmap(mapped.Mapping);
        byte[] data = new byte[rows * count * pipe.PacketBytesMax];
        buffer.Read(0, data);
        _ = memory.Free(buffer);
        IsochronousPacket[] came = [.. packets.SelectMany(static row => row).Where(static packet => packet is { Status: TransferStatus.Completed, Moved: not 0 })];
        int due = (rows * count) + results.Sum(static result => result.IntervalsSkipped);
        Slots = (Slots.Due + due, Slots.Missed + due - came.Length);
        int late = packets.SelectMany(static row => row).TakeWhile(static packet => packet is not { Status: TransferStatus.Completed, Moved: not 0 }).Count();
        Streams.Add(new(startNs, endNs, due, due - came.Length, late, pipe.IntervalNs));
        bool isWhole = came.Select((packet, turn) => CountingDevice.IsOfTurn(data.AsSpan(packet.Offset, packet.Moved), (uint)turn, tag)).All(static isOfTurn => isOfTurn);
        return $"{chosen} {results[^1].Status} {(isWhole ? "turn by turn" : "wrong data")} {unmapped} {await Choose(0)}";
    }

    private async Task<string> Move(DeviceUse use, int bytes, ulong patienceNs = NoEndNs)
    {
        if (_handle is not { } handle)
            return "no device";
        byte address = CountingDevice.EndpointOf(use);
        UsbEndpoint endpoint = handle.Configuration.Interfaces[0].Endpoints.First(candidate => candidate.Address == address);
        IDmaSpace memory = _driver!.Memory;
        MemoryBuffer buffer = memory.Allocate(bytes);
        byte[] data = new byte[bytes];
        new Random(bytes).NextBytes(data);
        buffer.Write(0, data);
        IUsbPipe pipe = await handle.Open(endpoint);
        DmaMapResult mapped = await memory.Map(buffer, endpoint.In ? DmaDirection.FromDevice : DmaDirection.ToDevice);
        TransferResult result = await pipe.Transfer(mapped.Mapping, patienceNs);
        await pipe.Close();
        DmaRefusal unmapped = await memory.Unmap(mapped.Mapping);
        buffer.Read(0, data);
        _ = memory.Free(buffer);
        uint sum = data.Aggregate(0u, static (sum, value) => (sum * 31) + value);

        // A pipe that is opened anew begins with its first toggle; so does the device's side.
        _ = await handle.Request(RequestType.Standard, RequestRecipient.Endpoint, (byte)StandardRequest.ClearFeature, 0, address);
        return $"{result.Status} {result.Bytes} {sum:X8} {unmapped}";
    }
}
