namespace Dma.UsbDevice;

/// <summary>Where the schedules leave word of what happened.</summary>
internal interface IScheduleEvents
{
    /// <summary>Sets bits of USBSTS at the next interrupt threshold.</summary>
    void Post(uint statusBits);

    /// <summary>A device talked on after the end of the microframe.</summary>
    /// <param name="address">Who.</param>
    void BabbledPastMicroframe(byte address);
}
