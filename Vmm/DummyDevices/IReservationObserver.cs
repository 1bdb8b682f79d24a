namespace Dma.Vmm;

/// <summary>Sees how reservations are made. It changes nothing.</summary>
public interface IReservationObserver
{
    /// <summary>Something happened.</summary>
    void Happened(in ReservationEvent step);
}
