using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Lab;

/// <summary>What one VM does behind its front end: it reads its disk over and over.</summary>
/// <param name="machine">The computer.</param>
/// <param name="number">Which VM.</param>
/// <param name="content">What its disk holds.</param>
/// <param name="readBytes">How much it reads at a time.</param>
internal sealed class ServiceGuest(ServiceMachine machine, int number, byte[] content, int readBytes)
{
    private IUsbHostController? _front;
    private UsbDeviceHandle? _device;
    private MassStorageDriver? _disk;
    private ulong _bytes;
    private ulong _reads;
    private ulong _totalNs;
    private ulong _maxNs;
    private uint _responsesBefore;

    /// <summary>What went wrong; empty where nothing did.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>The most requests without an answer that were seen.</summary>
    public int OutstandingMax { get; set; }

    /// <summary>Bytes that were read since <see cref="Begin"/>.</summary>
    public ulong Bytes => _bytes;

    /// <summary>Requests that were answered since <see cref="Begin"/>.</summary>
    public ulong Requests => machine.BackEnd.CountsOf(number).Responses - _responsesBefore;

    /// <summary>Whether the front end knows that nobody serves it any more.</summary>
    public bool IsTold => _front is { HasStopped: true };

    /// <summary>Starts its drivers.</summary>
    /// <exception cref="DriverException">One does not start.</exception>
    public async Task Start()
    {
        _front = await machine.StartGuest(number);
        _device = await UsbDeviceHandle.Enumerate(_front, port: 1);
        _disk = await MassStorageDriver.Start(_device);
    }

    /// <summary>Counts from here on.</summary>
    public void Begin()
    {
        (_bytes, _reads, _totalNs, _maxNs, OutstandingMax) = (0, 0, 0, 0, 0);
        _responsesBefore = machine.BackEnd.CountsOf(number).Responses;
    }

    /// <summary>Reads until it is told to stop, or its driver gives up.</summary>
    /// <param name="isOver">Whether it shall stop.</param>
    /// <param name="read">Told when each read began; null for nobody.</param>
    /// <returns>Whether it was told to stop.</returns>
    public async Task<bool> Read(Func<bool> isOver, Action<ulong>? read = null)
    {
        MemoryBuffer buffer = _front!.Memory.Allocate(readBytes);
        byte[] found = new byte[readBytes];
        try
        {
            for (int at = 0; !isOver(); at = (at + readBytes) % content.Length)
            {
                ulong startNs = _front.Processor.NowNs;
                await _disk!.Read((ulong)(at / _disk.BlockBytes), buffer);
                ulong tookNs = _front.Processor.NowNs - startNs;
                (_bytes, _reads, _totalNs, _maxNs) = (_bytes + (ulong)readBytes, _reads + 1, _totalNs + tookNs, Math.Max(_maxNs, tookNs));
                buffer.Read(0, found);
                if (!found.AsSpan().SequenceEqual(content.AsSpan(at, readBytes)))
                    Problem = "read what is not on its disk";
                read?.Invoke(startNs);
            }

            return true;
        }
        catch (DriverException)
        {
            return false;
        }
    }

    /// <summary>Asks the device what it is, and nothing else: one request.</summary>
    public async Task Ask()
    {
        byte[] answer = new byte[DeviceDescriptor.Size];
        _ = await _device!.Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.GetDescriptor, (int)DescriptorType.Device << 8, 0, answer);
    }

    /// <summary>Lets go of its front end.</summary>
    public ValueTask Stop() => _front!.Stop();

    /// <summary>What it did.</summary>
    public ServiceSummary Sum() =>
        new(machine.Guests[number].Name, Problem, Requests, _bytes, _reads == 0 ? 0 : _totalNs / _reads, _maxNs, OutstandingMax);
}
