using Dma.Hal;
using Dma.UsbDevice.Spec;

namespace Dma.Drivers;

/// <summary>The way to endpoint 0 of a device. One request runs at a time; others wait for their turn.</summary>
public interface IUsbControlPipe
{
    /// <summary>Makes a request.</summary>
    /// <param name="setup">The request; its length is that of the data.</param>
    /// <param name="data">What the device may reach for the data stage; unused where there is none.</param>
    /// <param name="timeoutNs">How long it may take, in nanoseconds.</param>
    ValueTask<TransferResult> Request(SetupPacket setup, DmaMapping data, ulong timeoutNs);
}

/// <summary>The way to a bulk or interrupt endpoint. One transfer runs at a time; others wait for their turn.</summary>
/// <remarks>Transfers of different pipes run side by side: a keyboard is waited for while a disk moves data.</remarks>
public interface IUsbPipe
{
    /// <summary>Moves data in the direction of the endpoint.</summary>
    /// <param name="data">What the device may reach, at most <see cref="UsbLimits.TransferBytesMax"/>.</param>
    /// <param name="timeoutNs">How long it may take, in nanoseconds; <see cref="ulong.MaxValue"/> for no end, until the pipe is closed.</param>
    ValueTask<TransferResult> Transfer(DmaMapping data, ulong timeoutNs);

    /// <summary>Lets the transfer that runs end as <see cref="TransferStatus.Canceled"/>, soon; where none runs, nothing happens. The data toggle stays.</summary>
    void Cancel();

    /// <summary>Makes the pipe usable after its endpoint halted, with its data toggle at the start.</summary>
    /// <remarks>The device's side starts anew when its halt is cleared; that is the caller's request to make.</remarks>
    ValueTask Restart();

    /// <summary>Closes the pipe; a transfer that still runs ends as <see cref="TransferStatus.Canceled"/>. One that is closed stays so.</summary>
    ValueTask Close();
}

/// <summary>What all controllers can do.</summary>
public static class UsbLimits
{
    /// <summary>The longest transfer, in bytes.</summary>
    public const int TransferBytesMax = 1 << 20;
}
