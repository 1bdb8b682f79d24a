using Dma.Drivers;
using Dma.Hal;
using Dma.UsbDevice.Spec;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>What a driver of dummies does with a notice, as none should.</summary>
internal enum DummyManner
{
    /// <summary>Says that it has no time, whatever it is asked for.</summary>
    Refuses,

    /// <summary>Chooses the setting, and reserves nothing.</summary>
    SaysSo,

    /// <summary>Refuses a notice that it was never sent.</summary>
    WrongNumber,

    /// <summary>Answers when nobody waits any more.</summary>
    Late,

    /// <summary>Says yes twice, and then no.</summary>
    Twice,

    /// <summary>Chooses a setting that reserves too little.</summary>
    Smaller,

    /// <summary>Chooses a setting that reserves more than it was asked for.</summary>
    Larger,

    /// <summary>Chooses the setting that reserves nothing.</summary>
    Nothing,

    /// <summary>Makes many requests for each notice: refusals and settings as they come.</summary>
    Floods,

    /// <summary>Never reads its notices.</summary>
    Deaf,

    /// <summary>Lets its device forget everything when it should answer.</summary>
    Leaves,

    /// <summary>Moves data by the endpoints of its dummy.</summary>
    Moves,

    /// <summary>Resets its register set when it should answer.</summary>
    Resets,
}

/// <summary>The drivers of all dummies of a guest that means no good.</summary>
/// <param name="controller">The driver of its controller.</param>
/// <param name="firstPort">The first port at which dummies come.</param>
/// <param name="answerNsMax">How long it may take to answer.</param>
/// <param name="resetSet">Resets its register set; nothing of its software works afterwards.</param>
internal sealed class HostileDummies(EhciDriver controller, int firstPort, ulong answerNsMax, Action resetSet)
{
    private const ulong LookNs = 5 * DummyWorld.MillisecondNs;
    private const int FloodLength = 12;

    private readonly bool[] _isServed = new bool[controller.PortCount + 1];
    private int _running;
    private int _requests;

    /// <summary>How it behaves from now on.</summary>
    public DummyManner Manner { get; set; }

    /// <summary>Whether its register set was reset.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether anything of it goes on.</summary>
    public bool IsRunning => _running != 0;

    /// <summary>Dummies that it drives.</summary>
    public int Count => _isServed.Count(static isServed => isServed);

    /// <summary>Begins, at all ports.</summary>
    public void Start()
    {
        for (int port = firstPort; port <= controller.PortCount; port++)
        {
            int watched = port;
            _running++;
            controller.Processor.Loop.Start(() => Watch(watched));
        }
    }

    private async Task Watch(int port)
    {
        while (!controller.HasStopped && !IsOver)
        {
            try
            {
                if (controller.LookAt(port).Connected)
                    await Serve(port, await UsbDeviceHandle.Enumerate(controller, port));
            }
            catch (DriverException)
            {
            }

            _isServed[port] = false;
            await controller.Processor.Delay(LookNs);
        }

        _running--;
    }

    private async Task Serve(int port, UsbDeviceHandle device)
    {
        UsbEndpoint endpoint = device.Configuration.Interfaces.First(face => face.Descriptor.Number == DummyInterface.Notices).Endpoints[0];
        IUsbPipe pipe = await device.Open(endpoint);
        byte[] bytes = new byte[ReservationNotice.Size];
        CoherentBuffer buffer = await controller.Memory.AllocateCoherent(ReservationNotice.Size);
        try
        {
            await device.SetInterface(DummyInterface.Reservation, 0);
            _isServed[port] = true;
            while (controller.LookAt(port) is { Connected: true, Changed: false } && _isServed[port] && !IsOver)
            {
                if (Manner == DummyManner.Deaf)
                    await controller.Processor.Delay(LookNs);
                else if ((await pipe.Transfer(buffer.Mapping, LookNs)).IsCompleted && !IsOver)
                {
                    buffer.Memory.Read(0, bytes);
                    await Answer(port, device, Packed.Read<ReservationNotice>(bytes));
                }
            }
        }
        finally
        {
            await pipe.Close();
            await device.Release();
            _ = await controller.Memory.FreeCoherent(buffer);
        }
    }

    private async Task Answer(int port, UsbDeviceHandle device, ReservationNotice notice)
    {
        int right = DummyLadder.SettingFor(notice.NeedNs) ?? DummyLadder.StepCount;
        switch (Manner)
        {
            case DummyManner.Refuses:
                await Refuse(device, notice.Number);
                break;
            case DummyManner.SaysSo:
                await Choose(device, right);
                break;
            case DummyManner.WrongNumber:
                await Refuse(device, (ushort)(notice.Number + 1));
                break;
            case DummyManner.Late:
                await controller.Processor.Delay(answerNsMax + LookNs);
                await Choose(device, right);
                break;
            case DummyManner.Twice:
                await Choose(device, right);
                await Choose(device, right);
                await Refuse(device, notice.Number);
                break;
            case DummyManner.Smaller:
                await Choose(device, Math.Max(right - 3, 0));
                break;
            case DummyManner.Larger:
                await Choose(device, Math.Min(right + 7, DummyLadder.StepCount));
                break;
            case DummyManner.Nothing:
                await Choose(device, 0);
                break;
            case DummyManner.Floods:
                for (int request = 0; request < FloodLength; request++)
                    await (++_requests % 3 == 0 ? Choose(device, _requests % DummyLadder.StepCount) : Refuse(device, (ushort)(notice.Number + (_requests % 4))));
                break;
            case DummyManner.Leaves:
                _ = await device.Request(RequestType.Standard, RequestRecipient.Device, (byte)StandardRequest.SetConfiguration, 0, 0);
                _isServed[port] = false;
                break;
            case DummyManner.Moves:
                await Choose(device, right);
                await Move(device, right);
                break;
            case DummyManner.Resets:
                IsOver = true;
                resetSet();
                break;
        }
    }

    private static async Task Refuse(UsbDeviceHandle device, ushort number) =>
        _ = await device.Request(RequestType.Vendor, RequestRecipient.Interface, DummyInterface.Refuse, number, DummyInterface.Reservation);

    private static async Task Choose(UsbDeviceHandle device, int setting) => await device.SetInterface(DummyInterface.Reservation, (byte)setting);

    private static async Task Move(UsbDeviceHandle device, int setting)
    {
        UsbInterface face = device.Configuration.Interfaces.First(face => face.Descriptor.Number == DummyInterface.Reservation && face.Descriptor.AlternateSetting == setting);
        foreach (UsbEndpoint endpoint in face.Endpoints)
        {
            IUsbIsochronousPipe pipe = await device.Connection.OpenIsochronous(endpoint);
            MemoryBuffer buffer = device.Controller.Memory.Allocate(8 * pipe.PacketBytesMax);
            DmaMapResult mapped = await device.Controller.Memory.Map(buffer, DmaDirection.Bidirectional);
            if (mapped.IsMapped)
            {
                _ = await pipe.Transfer(mapped.Mapping, [.. Enumerable.Range(0, 8).Select(index => new IsochronousPacket(index * pipe.PacketBytesMax, pipe.PacketBytesMax))]);
                await pipe.Close();
                _ = await device.Controller.Memory.Unmap(mapped.Mapping);
            }

            _ = device.Controller.Memory.Free(buffer);
        }
    }
}
